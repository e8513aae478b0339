module writer

go 1.19
