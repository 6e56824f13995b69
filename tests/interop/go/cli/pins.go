//go:build pins

// Package cli names the programs that are tested as they come and the modules they are built from.
// go.sum holds the checksum of each, so that a build needs nothing but the modules themselves.
package cli

import _ "github.com/nats-io/natscli/nats"
