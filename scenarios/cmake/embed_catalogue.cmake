# Writes the scenario files as C++ initialisers, {"name", R"(text)"}, one a file.
set(OUT "")
foreach(FILE ${FILES})
  get_filename_component(NAME ${FILE} NAME)
  file(READ ${FILE} TEXT)
  string(APPEND OUT "{\"scenarios/catalogue/${NAME}\", R\"SCENARIO(${TEXT})SCENARIO\"},\n")
endforeach()
file(WRITE ${OUTPUT} "${OUT}")
