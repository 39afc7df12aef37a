# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# The three kinds of targets of the project. Each takes every source of its
# folder, so that adding a file needs no change here.

# A library that knows neither LLVM nor MLIR.
#   bessemer_plain_library(BessemerAlgorithms LINK BessemerSupport)
function(bessemer_plain_library name)
  cmake_parse_arguments(ARG "" "" "LINK;SOURCES" ${ARGN})
  if(NOT ARG_SOURCES)
    file(GLOB_RECURSE ARG_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  endif()
  if(NOT ARG_SOURCES)
    return()
  endif()
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
endfunction()

# A library on MLIR: no RTTI and no exceptions (as MLIR is built), the shared
# precompiled header, the generated headers made first.
function(bessemer_mlir_library name)
  cmake_parse_arguments(ARG "" "" "LINK;SOURCES;DEPENDS" ${ARGN})
  if(NOT ARG_SOURCES)
    file(GLOB_RECURSE ARG_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  endif()
  if(NOT ARG_SOURCES)
    return()
  endif()
  add_library(${name} STATIC ${ARG_SOURCES})
  bessemer_mlir_flags(${name})
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  add_dependencies(${name} BessemerGeneratedHeaders ${ARG_DEPENDS})
endfunction()

function(bessemer_mlir_flags name)
  target_include_directories(${name} SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  target_compile_definitions(${name} PUBLIC ${LLVM_DEFINITIONS_LIST})
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti -fno-exceptions>)
  # The header is compiled for shared objects; executables are compiled for
  # executables (-fPIE), and clang takes no header of the other kind.
  get_target_property(kind ${name} TYPE)
  if(NOT kind STREQUAL "EXECUTABLE")
    target_precompile_headers(${name} REUSE_FROM BessemerPch)
  get_target_property(type ${name} TYPE)
  if(type STREQUAL "EXECUTABLE") # -fPIE otherwise; the precompiled header is made with this
    target_compile_options(${name} PRIVATE -fPIC)
  endif()
  endif()
  target_link_libraries(${name} PUBLIC MLIR LLVM)
endfunction()

# TableGen for a dialect: ops, types, attributes and enums out of one .td file,
# generated beside the mirror of the source folder in the build tree.
#   bessemer_dialect(BessOps bess)
function(bessemer_dialect td dialect)
  set(LLVM_TARGET_DEFINITIONS ${td}.td)
  mlir_tablegen(${td}.h.inc -gen-op-decls -dialect=${dialect})
  mlir_tablegen(${td}.cpp.inc -gen-op-defs -dialect=${dialect})
  mlir_tablegen(${td}Dialect.h.inc -gen-dialect-decls -dialect=${dialect})
  mlir_tablegen(${td}Dialect.cpp.inc -gen-dialect-defs -dialect=${dialect})
  mlir_tablegen(${td}Types.h.inc -gen-typedef-decls -typedefs-dialect=${dialect})
  mlir_tablegen(${td}Types.cpp.inc -gen-typedef-defs -typedefs-dialect=${dialect})
  mlir_tablegen(${td}Attrs.h.inc -gen-attrdef-decls -attrdefs-dialect=${dialect})
  mlir_tablegen(${td}Attrs.cpp.inc -gen-attrdef-defs -attrdefs-dialect=${dialect})
  mlir_tablegen(${td}Enums.h.inc -gen-enum-decls)
  mlir_tablegen(${td}Enums.cpp.inc -gen-enum-defs)
  add_public_tablegen_target(${td}IncGen)
  add_dependencies(BessemerGeneratedHeaders ${td}IncGen)
endfunction()

# Pass declarations: passes/X/Passes.td -> passes/X/Passes.h.inc.
function(bessemer_passes name)
  set(LLVM_TARGET_DEFINITIONS Passes.td)
  mlir_tablegen(Passes.h.inc -gen-pass-decls -name=${name})
  add_public_tablegen_target(${name}PassesIncGen)
  add_dependencies(BessemerGeneratedHeaders ${name}PassesIncGen)
endfunction()

# A gtest executable from every .cpp of the folder, known to ctest.
function(bessemer_unit_tests name)
  cmake_parse_arguments(ARG "MLIR" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  if(ARG_MLIR)
    bessemer_mlir_flags(${name})
    add_dependencies(${name} BessemerGeneratedHeaders)
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gtest_main Threads::Threads)
  add_test(NAME ${name} COMMAND ${name})
endfunction()
