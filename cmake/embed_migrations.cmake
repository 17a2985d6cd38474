# Writes OUT: a C++ source with the SQL files of one service as raw strings.
# Input: NAME (the service), SQL (a list of files named NNNN_verb_noun.sql).
set(text "// Generated from services/${NAME}/migrations.\n#include \"libs/pg/migrate.h\"\n\n")
string(APPEND text "namespace gatehouse::${NAME} {\n\nstd::vector<pg::Migration> Migrations() {\n  return {\n")
list(SORT SQL)
foreach(path ${SQL})
  get_filename_component(stem ${path} NAME_WE)
  file(READ ${path} body)
  string(APPEND text "      {\"${stem}\", R\"~sql~(${body})~sql~\"},\n")
endforeach()
string(APPEND text "  };\n}\n\n}  // namespace gatehouse::${NAME}\n")
file(WRITE ${OUT} "${text}")
