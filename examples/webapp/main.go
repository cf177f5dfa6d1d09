// Webapp is a small web service: it greets, and it says which version it is.
package main

import (
	"log"
	"net/http"
	"os"
	"time"
)

// version is set when the service is built:
// go build -ldflags "-X main.version=1.2.0".
var version = "development"

func main() {
	address := os.Getenv("LISTEN")
	if address == "" {
		address = "127.0.0.1:8080"
	}
	server := &http.Server{
		Addr:              address,
		Handler:           newHandler(version),
		ReadHeaderTimeout: 5 * time.Second,
	}
	log.Printf("webapp %s listens on http://%s", version, address)
	log.Fatal(server.ListenAndServe())
}
