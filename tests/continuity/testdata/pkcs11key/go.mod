module example.com/client

go 1.26.8

require github.com/letsencrypt/pkcs11key/v4 v4.0.1

require github.com/miekg/pkcs11 v1.1.2 // indirect
