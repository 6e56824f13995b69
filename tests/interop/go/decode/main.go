// Decodes monitoring documents into the nats-server module's own structs, as nats-top, the
// exporter and the nats tool do.
//
// Usage: decode ENDPOINT < document. A type that does not fit is an error: one line on standard
// error, exit 1.
// Keys that the structs do not know are allowed. What was decoded is printed again as JSON, so
// that a caller can compare.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/nats-io/nats-server/v2/server"
)

// documents makes, by endpoint, an empty value of the type its document decodes into.
var documents = map[string]func() any{
	"varz":     func() any { return new(server.Varz) },
	"connz":    func() any { return new(server.Connz) },
	"subsz":    func() any { return new(server.Subsz) },
	"routez":   func() any { return new(server.Routez) },
	"gatewayz": func() any { return new(server.Gatewayz) },
	"leafz":    func() any { return new(server.Leafz) },
	"accountz": func() any { return new(server.Accountz) },
	"accstatz": func() any { return new(server.AccountStatz) },
	"jsz":      func() any { return new(server.JSInfo) },
	"healthz":  func() any { return new(server.HealthStatus) },

	// What the system account is answered and told.
	"answer":     func() any { return new(server.ServerAPIResponse) },
	"statsz":     func() any { return new(server.ServerStatsMsg) },
	"connect":    func() any { return new(server.ConnectEventMsg) },
	"disconnect": func() any { return new(server.DisconnectEventMsg) },
	"conns":      func() any { return new(server.AccountNumConns) },
	"user":       func() any { return new(server.UserInfo) },
	"server":     func() any { return new(server.ServerInfo) },
}

func main() {
	if len(os.Args) != 2 || documents[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: decode ENDPOINT < document, with ENDPOINT varz, connz, ...")
		os.Exit(2)
	}
	document := documents[os.Args[1]]()
	if err := json.NewDecoder(os.Stdin).Decode(document); err != nil {
		fmt.Fprintf(os.Stderr, "%s does not decode: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(document); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
