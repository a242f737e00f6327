# cmake --install build/<preset> --prefix DIR [--strip], or cpack in the build folder: a tree that runs wherever it is put.
#
#   bin/          xreid, and with the tests checkkernel; gpu-check and gpu-profile (tools/profile) for GPU machines
#   lib/, include/  libxreid (cmake/Library.cmake)
#   lib/xreid/    the shared libraries they need, but for what comes with the system's compiler, the driver and the CUDA toolkit:
#                 glibc, libstdc++, libcuda, cuBLASLt (700 MB), cuDNN, NCCL. The CUDA runtime is here.
#   share/xreid/  configs/, tests/golden/
#
# The programs look in ../lib/xreid for libraries, and so do these libraries (RPATH; RUNPATH would not be passed on to them).
include(GNUInstallDirs)
option(XREID_BUNDLE "Install the shared libraries too, so that the tree needs none of the system's" ON)

set(programs xreid)
if(TARGET checkkernel)
  list(APPEND programs checkkernel)
endif()
foreach(program ${programs})
  set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}/xreid")
  target_link_options(${program} PRIVATE -Wl,--disable-new-dtags)
endforeach()

set(bundle "")
if(XREID_BUNDLE)
  set(bundle RUNTIME_DEPENDENCY_SET xreid_libraries)
  install(RUNTIME_DEPENDENCY_SET xreid_libraries
    PRE_EXCLUDE_REGEXES
      "^ld-linux" "^lib(c|m|dl|rt|pthread|resolv|util|gcc_s|stdc\\+\\+)\\.so"
      "^lib(cuda|nvidia-.*|cublas|cublasLt|cudnn.*|nccl|nvrtc.*|nvJitLink)\\.so"
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/xreid)
endif()
install(TARGETS ${programs} ${bundle} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
include(Library)
install(PROGRAMS tools/gpu-check DESTINATION ${CMAKE_INSTALL_BINDIR})
install(PROGRAMS tools/profile DESTINATION ${CMAKE_INSTALL_BINDIR} RENAME gpu-profile)
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/xreid)
if(TARGET checkkernel)
  install(DIRECTORY tests/golden DESTINATION ${CMAKE_INSTALL_DATADIR}/xreid/tests FILES_MATCHING PATTERN *.safetensors)
endif()

set(CPACK_GENERATOR TGZ)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_FILE_NAME xreid-${PROJECT_VERSION}-${CMAKE_SYSTEM_PROCESSOR}-${XREID_BACKEND})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_VERBATIM_VARIABLES ON)
include(CPack)
