# XREID_BACKEND: what runs kernels beside the CPU.
#
#   none   the CPU alone
#   cuda   NVIDIA devices: kernels/**/*.cu by nvcc, cuBLASLt, cuDNN, the CUDA runtime
#   emu    the same .cu files by the C++ compiler, run by tests/emu: for tests on machines without a device
#
# The sources say XREID_CUDA where CUDA's interface is there, device or not.

find_program(XREID_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH ENV CUDACXX PATHS /usr/local/cuda PATH_SUFFIXES bin)
if(NOT XREID_BACKEND)
  if(XREID_NVCC OR CMAKE_CUDA_COMPILER)
    set(XREID_BACKEND cuda)
  else()
    set(XREID_BACKEND none)
  endif()
endif()
message(STATUS "Backend beside the CPU: ${XREID_BACKEND}")

add_library(xreid_backend INTERFACE)

if(XREID_BACKEND STREQUAL cuda)
  if(NOT CMAKE_CUDA_COMPILER)
    if(NOT XREID_NVCC)
      message(FATAL_ERROR "XREID_BACKEND=cuda needs the CUDA toolkit, and nvcc was not found: set CUDA_HOME, or use XREID_BACKEND=none.")
    endif()
    set(CMAKE_CUDA_COMPILER ${XREID_NVCC})
  endif()
  # Machine code for each architecture, and PTX of the last.
  list(TRANSFORM XREID_CUDA_ARCHITECTURES APPEND -real OUTPUT_VARIABLE CMAKE_CUDA_ARCHITECTURES)
  list(GET XREID_CUDA_ARCHITECTURES -1 last)
  list(APPEND CMAKE_CUDA_ARCHITECTURES ${last}-virtual)
  set(CMAKE_CUDA_STANDARD 17)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  target_link_libraries(xreid_backend INTERFACE CUDA::cudart CUDA::cublasLt)
  target_compile_definitions(xreid_backend INTERFACE XREID_CUDA)
  target_compile_options(xreid_backend INTERFACE
    $<$<COMPILE_LANGUAGE:CUDA>:-lineinfo;--extended-lambda;-Xcompiler=-Wall,-Wextra,-Wno-unknown-pragmas>
    $<$<AND:$<BOOL:${XREID_WERROR}>,$<COMPILE_LANGUAGE:CUDA>>:-Werror=all-warnings;-Xcompiler=-Werror>)
  find_path(CUDNN_INCLUDE cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  find_library(CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR})
  if(NOT CUDNN_INCLUDE OR NOT CUDNN_LIBRARY)
    message(FATAL_ERROR "XREID_BACKEND=cuda needs cuDNN 9, and cudnn.h or libcudnn was not found. From NVIDIA's packages:\n"
      "  apt-get install cudnn9-cuda-${CUDAToolkit_VERSION_MAJOR}\nor set CUDNN_INCLUDE and CUDNN_LIBRARY, or use XREID_BACKEND=none.")
  endif()
  if(EXISTS ${CUDNN_INCLUDE}/cudnn_version.h)
    file(STRINGS ${CUDNN_INCLUDE}/cudnn_version.h major REGEX "#define +CUDNN_MAJOR +[0-9]+")
    if(NOT major MATCHES " (9|[1-9][0-9]+)$")
      message(FATAL_ERROR "XREID_BACKEND=cuda needs cuDNN 9 or newer; ${CUDNN_INCLUDE}/cudnn_version.h says: ${major}")
    endif()
  endif()
  target_include_directories(xreid_backend SYSTEM INTERFACE ${CUDNN_INCLUDE})
  target_link_libraries(xreid_backend INTERFACE ${CUDNN_LIBRARY})
elseif(XREID_BACKEND STREQUAL emu)
  set(CMAKE_CXX_STANDARD 17)
  set(CMAKE_CXX_STANDARD_REQUIRED ON)
  enable_language(CXX)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  target_include_directories(xreid_backend BEFORE INTERFACE ${PROJECT_SOURCE_DIR}/tests/emu/include)
  target_link_libraries(xreid_backend INTERFACE OpenMP::OpenMP_CXX)
  target_link_options(xreid_backend INTERFACE -Wl,-T,${PROJECT_SOURCE_DIR}/tests/emu/shared.ld)
  target_compile_definitions(xreid_backend INTERFACE XREID_CUDA $<$<COMPILE_LANGUAGE:C>:XREID_EMU>)
  # 16-byte accesses reinterpret memory; thread-local variables have no constructors.
  target_compile_options(xreid_backend INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fno-strict-aliasing;-fno-extern-tls-init;-ftls-model=local-exec;-Wno-unknown-pragmas;-Wno-maybe-uninitialized>)
elseif(NOT XREID_BACKEND STREQUAL none)
  message(FATAL_ERROR "XREID_BACKEND=${XREID_BACKEND}: none, cuda and emu are known.")
endif()

# xreid_backend_sources(<list>): takes from a list of sources what this backend does not compile.
#   *.cu, *_cuda.c               need CUDA's interface
#   *_cublaslt.c, *_cudnn.c      need CUDA itself; tests/emu/gemm_emu.cpp and conv_emu.cpp stand for them
function(xreid_backend_sources variable)
  set(sources ${${variable}})
  if(XREID_BACKEND STREQUAL none)
    list(FILTER sources EXCLUDE REGEX "(\\.cu|_cuda\\.c)$")
  endif()
  if(NOT XREID_BACKEND STREQUAL cuda)
    list(FILTER sources EXCLUDE REGEX "_(cublaslt|cudnn)\\.c$")
  endif()
  if(XREID_BACKEND STREQUAL emu)
    set(cu ${sources})
    list(FILTER cu INCLUDE REGEX "\\.cu$")
    if(cu)
      set_source_files_properties(${cu} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-x;c++;-O2")
    endif()
  endif()
  set(${variable} ${sources} PARENT_SCOPE)
endfunction()
