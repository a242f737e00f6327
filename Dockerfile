# syntax=docker/dockerfile:1
# Two images; neither needs a GPU to be built:
#
#   docker build --target cpu -t xreid:cpu .
#   docker build --target cuda -t xreid:cuda .
#   docker run --rm -v "$PWD:/data" xreid:cpu train /opt/xreid/share/xreid/configs/quickstart.yaml data.root=/data/synth ...
#   docker run --rm --gpus all xreid:cuda info
#   docker run --rm --gpus all --entrypoint gpu-check -v "$PWD:/data" xreid:cuda
#
# The packages of a build are those of tools/lib.sh, so that there is one list. What an image keeps is the installed tree
# (cmake/Install.cmake), a font for reports, and in the CUDA image NVIDIA's libraries.
ARG CUDA=13.0.2
ARG UBUNTU=ubuntu24.04

# ---- the CPU alone
FROM debian:bookworm AS cpu-packages
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /source
COPY tools/lib.sh tools/
RUN . tools/lib.sh && install_packages && rm -rf /var/lib/apt/lists/*

FROM cpu-packages AS cpu-build
COPY . .
RUN cmake --preset cpu -D XREID_CPU_ARCH=x86-64-v3 -D XREID_TESTS=OFF \
 && cmake --build --preset cpu \
 && cmake --install build/cpu --prefix /opt/xreid --strip

FROM debian:bookworm-slim AS cpu
RUN apt-get update \
 && apt-get install -y --no-install-recommends fontconfig-config fonts-dejavu-core libstdc++6 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=cpu-build /opt/xreid /opt/xreid
ENV PATH=/opt/xreid/bin:$PATH
WORKDIR /data
ENTRYPOINT ["xreid"]
CMD ["info"]

# ---- CPU and CUDA
FROM nvidia/cuda:${CUDA}-cudnn-devel-${UBUNTU} AS cuda-packages
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /source
COPY tools/lib.sh tools/
RUN . tools/lib.sh && install_packages && rm -rf /var/lib/apt/lists/*

FROM cuda-packages AS cuda-build
COPY . .
RUN cmake --preset gpu-package \
 && cmake --build --preset gpu-package \
 && cmake --install build/gpu-package --prefix /opt/xreid --strip

FROM nvidia/cuda:${CUDA}-cudnn-runtime-${UBUNTU} AS cuda
RUN apt-get update \
 && apt-get install -y --no-install-recommends fontconfig-config fonts-dejavu-core libstdc++6 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=cuda-build /opt/xreid /opt/xreid
ENV PATH=/opt/xreid/bin:$PATH
# What the container toolkit brings from the host: the driver for computing, and nvidia-smi.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /data
ENTRYPOINT ["xreid"]
CMD ["info"]
