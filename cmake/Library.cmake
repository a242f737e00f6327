# libxreid: host/api with all floors below, as a shared library with an installed header, a pkg-config file and a CMake package.
#
#   lib/libxreid.so.0, include/xreid.h, lib/pkgconfig/xreid.pc, lib/cmake/xreid/, share/xreid/python/xreid.py
#
# `cmake --install build/<preset> --prefix DIR --component library` installs these alone. The emulator is for tests, not for a library.
if(XREID_BACKEND STREQUAL emu)
  return()
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

file(GLOB XREID_API_SOURCES CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} host/api/*.c)
set(XREID_SYMBOLS ${PROJECT_SOURCE_DIR}/host/api/xreid.map)
add_library(xreid_library SHARED ${XREID_API_SOURCES})
target_link_libraries(xreid_library PRIVATE xreid_core)
target_link_options(xreid_library PRIVATE -Wl,--version-script=${XREID_SYMBOLS} -Wl,--disable-new-dtags)
set_target_properties(xreid_library PROPERTIES
  OUTPUT_NAME xreid EXPORT_NAME xreid VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${XREID_SYMBOLS}
  C_VISIBILITY_PRESET hidden INSTALL_RPATH "$ORIGIN/xreid")
if(NOT XREID_SANITIZE)
  target_link_options(xreid_library PRIVATE -Wl,--no-undefined)
endif()

configure_file(cmake/xreid.pc.in ${PROJECT_BINARY_DIR}/xreid.pc @ONLY)
file(WRITE ${PROJECT_BINARY_DIR}/xreidConfig.cmake "include(\${CMAKE_CURRENT_LIST_DIR}/xreidTargets.cmake)\n")
write_basic_package_version_file(${PROJECT_BINARY_DIR}/xreidConfigVersion.cmake COMPATIBILITY SameMajorVersion)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/xreid)
install(TARGETS xreid_library EXPORT xreid ${bundle}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT library
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT xreid NAMESPACE xreid:: FILE xreidTargets.cmake DESTINATION ${package} COMPONENT library)
install(FILES ${PROJECT_BINARY_DIR}/xreidConfig.cmake ${PROJECT_BINARY_DIR}/xreidConfigVersion.cmake DESTINATION ${package} COMPONENT library)
install(FILES host/api/xreid.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library)
install(FILES ${PROJECT_BINARY_DIR}/xreid.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)
install(FILES python/xreid.py DESTINATION ${CMAKE_INSTALL_DATADIR}/xreid/python COMPONENT library)
