# Warnings are errors with gcc and clang alike. POSTCALL_SANITIZE: address (with undefined and leak), thread or fuzzer.
set(POSTCALL_SANITIZE "" CACHE STRING "address, thread, fuzzer, or empty")

add_library(postcall_flags INTERFACE)
target_compile_definitions(postcall_flags INTERFACE _GNU_SOURCE POSTCALL_VERSION="${PROJECT_VERSION}")
target_compile_options(postcall_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wvla -Werror -fstack-protector-strong -fPIE
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes> $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>)
target_link_options(postcall_flags INTERFACE -pie)

if(POSTCALL_SANITIZE STREQUAL "address")
  set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
elseif(POSTCALL_SANITIZE STREQUAL "thread")
  set(sanitizers -fsanitize=thread -fno-omit-frame-pointer)
elseif(POSTCALL_SANITIZE STREQUAL "fuzzer")
  set(sanitizers -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
elseif(POSTCALL_SANITIZE)
  message(FATAL_ERROR "POSTCALL_SANITIZE is '${POSTCALL_SANITIZE}': address, thread, fuzzer, or empty")
endif()
if(sanitizers)
  target_compile_options(postcall_flags INTERFACE ${sanitizers})
  target_link_options(postcall_flags INTERFACE ${sanitizers})
else()
  target_compile_definitions(postcall_flags INTERFACE $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
  target_link_options(postcall_flags INTERFACE -Wl,-z,relro,-z,now)
endif()

# Assertions mark bugs in postcall itself; they stay on in every build.
foreach(language C CXX)
  foreach(build RELEASE RELWITHDEBINFO MINSIZEREL)
    string(REPLACE "-DNDEBUG" "" CMAKE_${language}_FLAGS_${build} "${CMAKE_${language}_FLAGS_${build}}")
  endforeach()
  string(APPEND CMAKE_${language}_FLAGS_RELEASE " -O2 -g")
endforeach()
