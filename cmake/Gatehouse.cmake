# The four functions that every CMakeLists.txt of this tree is made of.

# gatehouse_proto(<target> <file>... [DEPS <proto target>...])
# C++ messages for protos named relative to proto/, and, for a file with
# services, <stem>.methods.h with one typed constant per RPC method.
function(gatehouse_proto target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPS")
  set(root ${PROJECT_SOURCE_DIR}/proto)
  set(out ${PROJECT_BINARY_DIR}/gen)
  file(MAKE_DIRECTORY ${out})
  foreach(proto ${arg_UNPARSED_ARGUMENTS})
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(generated ${out}/${stem}.pb.cc ${out}/${stem}.pb.h ${out}/${stem}.methods.h)
    add_custom_command(
      OUTPUT ${generated}
      COMMAND protobuf::protoc -I ${root} --cpp_out=${out} --methods_out=${out}
              --plugin=protoc-gen-methods=$<TARGET_FILE:protoc-gen-methods> ${proto}
      DEPENDS ${root}/${proto} protoc-gen-methods
      VERBATIM)
    list(APPEND sources ${generated})
  endforeach()
  add_library(${target} STATIC ${sources})
  target_compile_options(${target} PRIVATE -O1 -w)
  target_include_directories(${target} SYSTEM PUBLIC ${out})
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf ${arg_DEPS})
endfunction()

# gatehouse_library(<target> SOURCES <file>... [DEPS <target>...])
function(gatehouse_library target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  add_library(${target} STATIC ${arg_SOURCES})
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PUBLIC ${arg_DEPS})
endfunction()

# gatehouse_service(<name> SOURCES <file>... DEPS <target>...)
# Builds the library <name>_lib of the SOURCES and of the SQL in migrations/,
# and the program <name> of main.cc and that library. The migrations become
# `gatehouse::<name>::Migrations()`, declared in <name>/migrations.h.
function(gatehouse_service name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  set(embed ${PROJECT_SOURCE_DIR}/cmake/embed_migrations.cmake)
  file(GLOB sql CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/migrations/*.sql)
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/migrations.cc)
  add_custom_command(
    OUTPUT ${generated}
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} "-DSQL=${sql}" -DOUT=${generated} -P ${embed}
    DEPENDS ${sql} ${embed}
    VERBATIM)
  gatehouse_library(${name}_lib SOURCES ${arg_SOURCES} ${generated} DEPS ${arg_DEPS} service)
  add_executable(${name} main.cc)
  target_link_libraries(${name} PRIVATE ${name}_lib)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()

# gatehouse_test(<name> SOURCES <file>... DEPS <target>... [LABELS <label>...] [TIMEOUT <s>]
#   [SHARDS <n>])
# One test program per library or service; CTest runs it as one test, or as SHARDS
# tests of a part each.
function(gatehouse_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT;SHARDS" "SOURCES;DEPS;LABELS")
  add_executable(${name} ${arg_SOURCES})
  target_compile_options(${name} PRIVATE -O1)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} GTest::gmock_main)
  if(NOT arg_TIMEOUT)
    # Ends a test that hangs; each takes well below 30 s on a quiet machine.
    set(arg_TIMEOUT 90)
  endif()
  if(NOT arg_SHARDS)
    set(arg_SHARDS 1)
  endif()
  foreach(shard RANGE 1 ${arg_SHARDS})
    set(test ${name})
    if(arg_SHARDS GREATER 1)
      set(test ${name}_${shard})
    endif()
    math(EXPR index "${shard} - 1")
    add_test(NAME ${test} COMMAND ${name})
    set_tests_properties(${test} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}"
      ENVIRONMENT "GTEST_TOTAL_SHARDS=${arg_SHARDS};GTEST_SHARD_INDEX=${index}")
  endforeach()
endfunction()
