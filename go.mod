module vtoken

go 1.26.8
