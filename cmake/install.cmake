# `cmake --install` and the Debian package: binaries, man pages, systemd units, and a commented file of settings.
include(GNUInstallDirs)

# Installs a program and its page: a daemon writes it itself, a tool has one in deploy/packaging/man.
function(postcall_install_program program)
  install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  if(EXISTS ${CMAKE_SOURCE_DIR}/deploy/packaging/man/${program}.1)
    install(FILES deploy/packaging/man/${program}.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    return()
  endif()
  if(NOT EXISTS ${CMAKE_SOURCE_DIR}/deploy/packaging/systemd/${program}.service)
    message(FATAL_ERROR "${program} is no daemon and has no page in deploy/packaging/man")
  endif()
  set(page ${CMAKE_BINARY_DIR}/man/${program}.8)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/man)
  install(CODE "execute_process(COMMAND \"$<TARGET_FILE:${program}>\" --help=man OUTPUT_FILE \"${page}\"
                                COMMAND_ERROR_IS_FATAL ANY)")
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
endfunction()

get_property(programs GLOBAL PROPERTY POSTCALL_PROGRAMS)
foreach(program ${programs})
  postcall_install_program(${program})
endforeach()

# Units name their programs without a path, which systemd looks for in /usr/local/bin and /usr/bin.
install(DIRECTORY deploy/packaging/systemd/ DESTINATION lib/systemd/system)
install(FILES deploy/packaging/postcall.sysusers DESTINATION lib/sysusers.d RENAME postcall.conf)
# Where the units look for it, whatever the prefix.
install(FILES deploy/packaging/postcall.env DESTINATION /etc/postcall
        PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
install(DIRECTORY deploy/monitoring DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES README.md LICENSE resources-sink/schema.sql DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES proto/PROTOCOL.md proto/JOURNAL.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/proto)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "postcall <root@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS procps) # kill, of `systemctl reload`
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS systemd)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/deploy/packaging/debian/conffiles
    ${CMAKE_SOURCE_DIR}/deploy/packaging/debian/postinst ${CMAKE_SOURCE_DIR}/deploy/packaging/debian/prerm
    ${CMAKE_SOURCE_DIR}/deploy/packaging/debian/postrm)
include(CPack)
