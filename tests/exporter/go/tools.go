//go:build tools

// Package tools pins the exporter that ours is compared with.
package tools

import _ "github.com/nats-io/prometheus-nats-exporter"
