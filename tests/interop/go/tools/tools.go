//go:build tools

// Package tools pins the programs that are tested as they come. go.sum holds the checksum of every
// module, so that a build needs nothing but the modules themselves.
package tools

import _ "github.com/nats-io/nats-top"
