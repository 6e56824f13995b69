package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

func publishSubscribe(t task) {
	publisher, subscriber := connect(t), connect(t)
	defer publisher.Close()
	defer subscriber.Close()
	subscription := subscribe(subscriber, "orders.new", "")
	flush(subscriber)
	publishNumbers(publisher, "orders.new", 0, 1000)
	publish(publisher, "orders.old", "other")
	publish(publisher, "orders.new", "")
	messages := collect(subscription, 1001)
	equal(payloads(messages), append(numbers(0, 1000), ""), "payloads in order")
	for _, message := range messages {
		equal(message.Subject, "orders.new", "subject")
	}
	noneLeft(subscription, "nothing else")
}

func wildcards(t task) {
	client := connect(t)
	defer client.Close()
	sent := []string{"a", "a.b", "a.c", "a.b.c", "a.b.c.d", "b", "b.b", "x.b.c"}
	expected := map[string][]string{"a.*": {"a.b", "a.c"}, "a.>": {"a.b", "a.c", "a.b.c", "a.b.c.d"},
		"*": {"a", "b"}, "*.b.*": {"a.b.c", "x.b.c"}, "a.*.c": {"a.b.c"}, ">": sent}
	subscriptions := map[string]*nats.Subscription{}
	for pattern := range expected {
		subscriptions[pattern] = subscribe(client, pattern, "")
	}
	flush(client)
	for _, subject := range sent {
		publish(client, subject, subject)
	}
	for pattern, subjects := range expected {
		got := []string{}
		for _, message := range collect(subscriptions[pattern], len(subjects)) {
			got = append(got, message.Subject)
		}
		equal(got, subjects, "subjects on "+pattern)
		noneLeft(subscriptions[pattern], "nothing else on "+pattern)
	}
}

func queueGroups(t task) {
	var lock sync.Mutex
	seen := make([][]int, 4)
	total := 0
	for index := range seen {
		member := connect(t)
		defer member.Close()
		_, err := member.QueueSubscribe("work.*", "workers", func(message *nats.Msg) {
			var number int
			fmt.Sscan(string(message.Data), &number)
			lock.Lock()
			defer lock.Unlock()
			seen[index] = append(seen[index], number)
			total++
		})
		must(err, "queue subscribe")
		flush(member)
	}
	plain, publisher := connect(t), connect(t)
	defer plain.Close()
	defer publisher.Close()
	everything, other := subscribe(plain, "work.>", ""), subscribe(plain, "work.item", "auditors")
	flush(plain)
	publishNumbers(publisher, "work.item", 0, 2000)
	equal(payloads(collect(everything, 2000)), numbers(0, 2000), "the plain subscriber")
	equal(payloads(collect(other, 2000)), numbers(0, 2000), "the other group's only member")
	for turn := 0; turn < 200; turn++ {
		lock.Lock()
		done := total >= 2000
		lock.Unlock()
		if done {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	lock.Lock()
	defer lock.Unlock()
	all := []int{}
	for index, one := range seen {
		check(len(one) > 250, "member %d got only %d of 2000", index, len(one))
		check(sort.IntsAreSorted(one), "order at member %d: %v", index, one)
		all = append(all, one...)
	}
	sort.Ints(all)
	texts := strings.Fields(strings.Trim(fmt.Sprint(all), "[]"))
	equal(texts, numbers(0, 2000), "each message once in the group")
}

func requestReply(t task) {
	service, asker, old := connect(t), connect(t), connect(t, nats.UseOldRequestStyle())
	defer service.Close()
	defer asker.Close()
	defer old.Close()
	_, err := service.Subscribe("service.echo", func(message *nats.Msg) {
		message.Respond(append([]byte("re:"), message.Data...))
	})
	must(err, "subscribe")
	flush(service)
	ask := func(client *nats.Conn, text string) string {
		reply, err := client.Request("service.echo", []byte(text), 10*time.Second)
		if err != nil {
			return err.Error()
		}
		return string(reply.Data)
	}
	for _, text := range numbers(0, 100) {
		equal(ask(asker, text), "re:"+text, "reply")
	}
	answers := make([]string, 100)
	var group sync.WaitGroup
	for index := range answers {
		group.Add(1)
		go func() {
			defer group.Done()
			answers[index] = ask(asker, fmt.Sprintf("p%d", index))
		}()
	}
	group.Wait()
	for index, answer := range answers {
		equal(answer, fmt.Sprintf("re:p%d", index), "parallel reply")
	}
	equal(ask(old, "old"), "re:old", "old-style request")
}

func noResponders(t task) {
	client := connect(t)
	defer client.Close()
	_, err := client.Request("nobody.home", []byte("hello"), 5*time.Second)
	check(errors.Is(err, nats.ErrNoResponders), "no responders: %v", err)
	listener := subscribe(client, "nobody.home", "")
	flush(client)
	_, err = client.Request("nobody.home", []byte("hello"), 300*time.Millisecond)
	check(errors.Is(err, nats.ErrTimeout), "silence: %v", err)
	equal(payloads(collect(listener, 1)), []string{"hello"}, "the silent service heard it")
}

func headers(t task) {
	service, asker := connect(t), connect(t)
	defer service.Close()
	defer asker.Close()
	_, err := service.Subscribe("with.headers", func(message *nats.Msg) {
		reply := nats.NewMsg(message.Reply)
		reply.Data = []byte("body")
		for key, values := range message.Header {
			reply.Header["Seen-"+key] = values
		}
		service.PublishMsg(reply)
	})
	must(err, "subscribe")
	flush(service)
	sent := nats.NewMsg("with.headers")
	sent.Header = nats.Header{"Trace-Id": {"abc:def ghi", "second"}, "lower-case": {"1"},
		"X": {strings.TrimSpace(strings.Repeat("a much longer value ", 20))}}
	reply, err := asker.RequestMsg(sent, 10*time.Second)
	must(err, "request")
	for key, values := range sent.Header {
		equal(reply.Header["Seen-"+key], values, "values of "+key)
	}
	equal(len(reply.Header), len(sent.Header), "number of headers")
	equal(string(reply.Data), "body", "payload beside headers")
	plain := subscribe(asker, "plain", "")
	publish(asker, "plain", "none")
	equal(len(collect(plain, 1)[0].Header), 0, "no headers where none were sent")
}

func drain(t task) {
	publisher := connect(t)
	defer publisher.Close()
	for _, whole := range []bool{false, true} {
		var seen []string
		closed, drained := make(chan bool), make(chan bool)
		client := connect(t, nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
		subscription, err := client.Subscribe("drain.it", func(message *nats.Msg) {
			time.Sleep(time.Millisecond)
			seen = append(seen, string(message.Data))
		})
		must(err, "subscribe")
		subscription.SetClosedHandler(func(string) { close(drained) })
		echo := subscribe(publisher, "drain.last", "")
		flush(client, publisher)
		publishNumbers(publisher, "drain.it", 0, 200)
		flush(publisher, client)
		publish(client, "drain.last", "bye")
		if whole {
			must(client.Drain(), "drain the connection")
			waitFor(closed, "the connection's drain")
		} else {
			must(subscription.Drain(), "drain the subscription")
			waitFor(drained, "the subscription's drain")
		}
		equal(payloads(collect(echo, 1)), []string{"bye"}, "what was published before the drain")
		publish(publisher, "drain.it", "999")
		flush(publisher)
		equal(seen, numbers(0, 200), "all before the drain, none after it")
		equal(client.IsClosed(), whole, "closed after the connection's drain only")
		client.Close()
		must(echo.Unsubscribe(), "unsubscribe")
	}
}

func waitFor(event chan bool, what string) {
	select {
	case <-event:
		check(true, "%s", what)
	case <-time.After(20 * time.Second):
		check(false, "%s took more than 20 s", what)
	}
}

func autoUnsubscribe(t task) {
	client := connect(t)
	defer client.Close()
	early := subscribe(client, "limited", "")
	must(early.AutoUnsubscribe(5), "limit")
	late, control := subscribe(client, "limited", ""), subscribe(client, "limited", "")
	flush(client)
	publishNumbers(client, "limited", 0, 3)
	equal(payloads(collect(late, 3)), numbers(0, 3), "before the limit is set")
	must(late.AutoUnsubscribe(5), "limit")
	publishNumbers(client, "limited", 3, 20)
	equal(payloads(collect(control, 20)), numbers(0, 20), "the unlimited one")
	equal(payloads(collect(early, 5)), numbers(0, 5), "five messages")
	equal(payloads(collect(late, 2)), numbers(3, 5), "two more, five in all")
	_, err := early.NextMsg(300 * time.Millisecond)
	over := errors.Is(err, nats.ErrMaxMessages) || errors.Is(err, nats.ErrBadSubscription)
	check(over, "after the limit: %v", err)
	step("subscriptions", map[string]any{"expected": 1})
}

func largePayload(t task) {
	client := connect(t)
	defer client.Close()
	equal(client.MaxPayload(), int64(1048576), "max_payload in INFO")
	subscription := subscribe(client, "large", "")
	flush(client)
	for _, size := range []int{1048576, 65536, 1048576, 1} {
		payload := []byte{}
		block := sha256.Sum256([]byte(fmt.Sprint(size)))
		for len(payload) < size {
			payload = append(payload, block[:]...)
			block = sha256.Sum256(block[:])
		}
		must(client.Publish("large", payload[:size]), "publish")
		got := collect(subscription, 1)[0].Data
		check(bytes.Equal(got, payload[:size]), "%d bytes came back changed", size)
	}
}

func maxPayloadError(t task) {
	client := connect(t)
	defer client.Close()
	err := client.Publish("large", make([]byte, 1048577))
	check(errors.Is(err, nats.ErrMaxPayload), "refused: %v", err)
	subscription := subscribe(client, "large", "")
	publish(client, "large", "small")
	equal(payloads(collect(subscription, 1)), []string{"small"}, "the connection still works")
}

func rttFlush(t task) {
	client := connect(t)
	defer client.Close()
	for range 20 {
		rtt, err := client.RTT()
		must(err, "rtt")
		check(rtt > 0 && rtt < 5*time.Second, "round trip of %s", rtt)
		flush(client)
	}
}

func connectionVisible(t task) {
	client := connect(t, nats.Name("interop go"))
	defer client.Close()
	flush(client)
	step("connz", map[string]any{"name": "interop go", "lang": nats.LangString,
		"version": nats.Version})
}

func reconnect(t task) {
	lost, back := make(chan bool, 1), make(chan bool, 1)
	client := connect(t, nats.ReconnectWait(100*time.Millisecond), nats.MaxReconnects(-1),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { lost <- true }),
		nats.ReconnectHandler(func(*nats.Conn) { back <- true }))
	defer client.Close()
	plain, queue := subscribe(client, "again.*", ""), subscribe(client, "again.>", "group")
	flush(client)
	step("restart", nil)
	waitFor(lost, "the disconnect")
	waitFor(back, "the reconnect")
	flush(client)
	other := connect(t)
	defer other.Close()
	publishNumbers(other, "again.x", 0, 10)
	equal(payloads(collect(plain, 10)), numbers(0, 10), "after the reconnect")
	equal(payloads(collect(queue, 10)), numbers(0, 10), "after the reconnect, in the group")
}

func roundTrip(t task, option nats.Option) {
	client := connect(t, option)
	defer client.Close()
	subscription := subscribe(client, "with.credentials", "")
	publish(client, "with.credentials", "in")
	equal(payloads(collect(subscription, 1)), []string{"in"}, "a message with credentials")
}

func refused(t task, options ...nats.Option) {
	client, err := nats.Connect(t.url, append(options, nats.NoReconnect())...)
	if client != nil {
		client.Close()
	}
	check(errors.Is(err, nats.ErrAuthorization), "the error's type: %v", err)
}

func userPassword(t task)       { roundTrip(t, nats.UserInfo(t.user, t.password)) }
func wrongPassword(t task)      { refused(t, nats.UserInfo(t.user, t.password)) }
func missingCredentials(t task) { refused(t) }
func token(t task)              { roundTrip(t, nats.Token(t.user)) }
func wrongToken(t task)         { refused(t, nats.Token(t.user)) }

func permissionViolation(t task) {
	seen := make(chan error, 10)
	next := func() error {
		select {
		case err := <-seen:
			return err
		case <-time.After(10 * time.Second):
			return errors.New("no error within 10 s")
		}
	}
	client := connect(t, nats.UserInfo(t.user, t.password), nats.PermissionErrOnSubscribe(true),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { seen <- err }))
	defer client.Close()
	publish(client, "closed.subject", "no")
	err := next()
	check(errors.Is(err, nats.ErrPermissionViolation), "the error's type: %v", err)
	check(strings.Contains(err.Error(), `"closed.subject"`), "it names the subject: %v", err)
	refusedSubscription := subscribe(client, "closed.listen", "group")
	err = next()
	named := strings.Contains(err.Error(), `"closed.listen" using queue "group"`)
	check(named, "it names the group: %v", err)
	_, err = refusedSubscription.NextMsg(5 * time.Second)
	check(errors.Is(err, nats.ErrPermissionViolation), "the refused subscription is dead: %v", err)
	subscription := subscribe(client, "open.subject", "")
	publish(client, "open.subject", "yes")
	equal(payloads(collect(subscription, 1)), []string{"yes"}, "what is allowed still works")
}

func manyConnections(t task) {
	const publishers, subscribers, each = 10, 5, 10_000
	const total = publishers * each
	var done, sending sync.WaitGroup
	var wrong, size atomic.Int64
	counts := make([]atomic.Int64, subscribers)
	for index := range counts {
		client := connect(t)
		defer client.Close()
		nexts := make([]int, publishers)
		done.Add(1)
		subscription, err := client.Subscribe("load.*", func(message *nats.Msg) {
			var publisher, number int
			fmt.Sscanf(string(message.Data), "%d:%d", &publisher, &number)
			if nexts[publisher] != number {
				wrong.Add(1)
			}
			nexts[publisher] = number + 1
			if counts[index].Add(1) == total {
				done.Done()
			}
		})
		must(err, "subscribe")
		must(subscription.SetPendingLimits(-1, -1), "pending limits")
		flush(client)
	}
	for index := range publishers {
		sender := connect(t)
		defer sender.Close()
		sending.Add(1)
		go func() {
			defer sending.Done()
			for number := range each {
				text := fmt.Sprintf("%d:%d", index, number)
				size.Add(int64(len(text)))
				sender.Publish(fmt.Sprintf("load.%d", index), []byte(text))
			}
			sender.FlushTimeout(60 * time.Second)
		}()
	}
	sending.Wait()
	finished := make(chan bool)
	go func() { done.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(180 * time.Second):
	}
	equal(wrong.Load(), int64(0), "messages out of order")
	for index := range counts {
		equal(counts[index].Load(), int64(total), "messages at a subscriber")
	}
	step("counts", map[string]any{"in_msgs": total, "out_msgs": total * subscribers,
		"in_bytes": size.Load(), "out_bytes": size.Load() * subscribers,
		"connections": publishers + subscribers})
}
