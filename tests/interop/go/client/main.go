// The official Go client (nats.go) through every case of tests/interop/cases.py.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"time"

	"github.com/nats-io/nats.go"
)

// task is what the driver told us: where the server is and which credentials to use.
type task struct {
	url, monitor, user, password string
}

// failure is the panic of a check that does not hold; main turns it into the result line.
type failure struct{ text string }

var (
	checks int
	input  = bufio.NewScanner(os.Stdin)
)

func check(holds bool, format string, arguments ...any) {
	checks++
	if !holds {
		panic(failure{fmt.Sprintf(format, arguments...)})
	}
}

func equal(got, expected any, what string) {
	check(reflect.DeepEqual(got, expected), "%s: got %v, expected %v", what, got, expected)
}

func must(err error, what string) {
	check(err == nil, "%s: %v", what, err)
}

func say(document map[string]any) {
	line, _ := json.Marshal(document)
	fmt.Println(string(line))
}

// step tells the driver where we are and waits until it has acted.
func step(name string, facts map[string]any) {
	document := map[string]any{"step": name}
	for key, value := range facts {
		document[key] = value
	}
	say(document)
	check(input.Scan() && input.Text() == "go", "the driver said %q", input.Text())
}

func connect(t task, options ...nats.Option) *nats.Conn {
	options = append([]nats.Option{nats.Timeout(10 * time.Second)}, options...)
	connection, err := nats.Connect(t.url, options...)
	must(err, "connect")
	return connection
}

func flush(connections ...*nats.Conn) {
	for _, connection := range connections {
		must(connection.FlushTimeout(10*time.Second), "flush")
	}
}

func subscribe(connection *nats.Conn, subject, queue string) *nats.Subscription {
	subscription, err := connection.QueueSubscribeSync(subject, queue)
	must(err, "subscribe "+subject)
	must(subscription.SetPendingLimits(-1, -1), "pending limits")
	return subscription
}

func publish(connection *nats.Conn, subject, data string) {
	must(connection.Publish(subject, []byte(data)), "publish "+subject)
}

func collect(subscription *nats.Subscription, count int) []*nats.Msg {
	messages := []*nats.Msg{}
	for len(messages) < count {
		message, err := subscription.NextMsg(20 * time.Second)
		check(err == nil, "message %d of %d on %s: %v", len(messages)+1, count, subscription.Subject, err)
		messages = append(messages, message)
	}
	return messages
}

func noneLeft(subscription *nats.Subscription, what string) {
	message, err := subscription.NextMsg(300 * time.Millisecond)
	check(err == nats.ErrTimeout, "%s: one message too many: %v, %v", what, message, err)
}

func numbers(from, to int) []string {
	texts := []string{}
	for number := from; number < to; number++ {
		texts = append(texts, fmt.Sprint(number))
	}
	return texts
}

func payloads(messages []*nats.Msg) []string {
	texts := []string{}
	for _, message := range messages {
		texts = append(texts, string(message.Data))
	}
	return texts
}

func publishNumbers(connection *nats.Conn, subject string, from, to int) {
	for _, text := range numbers(from, to) {
		publish(connection, subject, text)
	}
}

type namedCase struct {
	name string
	run  func(task)
}

var cases = []namedCase{
	{"publish_subscribe", publishSubscribe},
	{"wildcards", wildcards},
	{"queue_groups", queueGroups},
	{"request_reply", requestReply},
	{"no_responders", noResponders},
	{"headers", headers},
	{"drain", drain},
	{"auto_unsubscribe", autoUnsubscribe},
	{"large_payload", largePayload},
	{"max_payload_error", maxPayloadError},
	{"rtt_flush", rttFlush},
	{"connection_visible", connectionVisible},
	{"reconnect", reconnect},
	{"user_password", userPassword},
	{"wrong_password", wrongPassword},
	{"missing_credentials", missingCredentials},
	{"token", token},
	{"wrong_token", wrongToken},
	{"permission_violation", permissionViolation},
	{"many_connections", manyConnections},
}

// run runs one case and returns why it failed, or nil.
func run(chosen namedCase, t task) (reason any) {
	defer func() {
		if recovered := recover(); recovered != nil {
			if failed, ok := recovered.(failure); ok {
				reason = failed.text
				return
			}
			panic(recovered)
		}
	}()
	chosen.run(t)
	return nil
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--list" {
		for _, one := range cases {
			fmt.Println(one.name)
		}
		return
	}
	words := append(os.Args[1:], "", "", "", "", "")
	for _, one := range cases {
		if one.name != words[0] {
			continue
		}
		reason := run(one, task{words[1], words[2], words[3], words[4]})
		result := map[string]any{"case": one.name, "ok": reason == nil, "checks": checks}
		if reason != nil {
			result["error"] = reason
		}
		say(result)
		if reason != nil {
			os.Exit(1)
		}
		return
	}
	fmt.Fprintf(os.Stderr, "no case named %q; --list prints them\n", words[0])
	os.Exit(2)
}
