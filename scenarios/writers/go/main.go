// An event writer on S2's HTTP API, with nothing but Go's standard library.
//
// It speaks the harness's stdio driver: JSON Lines in, JSON Lines out. Two forms, chosen by a flag:
//
//	--naive    (default) a channel, a goroutine that batches, blind retries: naive.go
//	--careful  a bounded ring, conditional appends, a drain with a budget, a report of what is lost: careful.go
//
// This file reads the environment and the requests; s2.go is the client that both forms use.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

var (
	capacity   = integer("S2_WRITER_RING_CAPACITY", 1024)
	linger     = duration("S2_BATCHER_LINGER", 100*time.Millisecond)
	maxRecords = atMost(1000, integer("S2_BATCHER_MAX_RECORDS", 50)) // S2 takes no more at once
	budget     = duration("S2_WRITER_SHUTDOWN_BUDGET", 10*time.Second)
)

func integer(name string, fallback int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return fallback
}

func atMost(limit, n int) int {
	if n > limit {
		return limit
	}
	return n
}

func duration(name string, fallback time.Duration) time.Duration {
	text := os.Getenv(name)
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(n) * time.Millisecond
	}
	if d, err := time.ParseDuration(text); err == nil {
		return d
	}
	return fallback
}

// streamOf names the stream of a capture session.
func streamOf(session string) string {
	if fixed := os.Getenv("S2_STREAM"); fixed != "" {
		return fixed
	}
	return session
}

type request struct {
	Op         string          `json:"op"`
	Session    string          `json:"session"`
	N          uint64          `json:"n"`
	Event      json.RawMessage `json:"event"`
	DeadlineMs int             `json:"deadline_ms"`
	On         bool            `json:"on"`
}

func (r request) deadline(fallback time.Duration) time.Time {
	if r.DeadlineMs > 0 {
		fallback = time.Duration(r.DeadlineMs) * time.Millisecond
	}
	return time.Now().Add(fallback)
}

// An answer is one line on stdout, written with one call and so never held back.
type answer map[string]any

var stdout sync.Mutex

func say(a answer) {
	line, err := json.Marshal(a)
	if err != nil {
		log.Fatal(err)
	}
	stdout.Lock()
	defer stdout.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

// A writer takes requests one at a time; shutDown may run beside them, and gives the exit code.
type writer interface {
	handle(r request)
	shutDown() int
}

func readRequests(requests chan<- request) {
	defer close(requests)
	input := bufio.NewReader(os.Stdin)
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			if err != io.EOF {
				log.Print(err)
			}
			return // a half line is no request
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			log.Printf("not a request: %v", err)
			continue
		}
		requests <- r
	}
}

func main() {
	careful := flag.Bool("careful", false, "lose nothing silently")
	flag.Bool("naive", false, "the default")
	flag.Parse()
	client := newS2()
	terminated := make(chan os.Signal, 1)
	var w writer
	if *careful {
		signal.Notify(terminated, syscall.SIGTERM)
		w = newCareful(client)
	} else {
		w = &naive{s2: client} // SIGTERM ends it, as it ends any program
	}
	requests := make(chan request)
	go readRequests(requests)
	fmt.Println(`{"ready":true}`)

	var ended chan int
	shutDown := func() {
		if ended == nil {
			ended = make(chan int)
			go func() { ended <- w.shutDown() }()
		}
	}
	for {
		select {
		case r, open := <-requests:
			if !open {
				requests = nil
				shutDown()
				continue
			}
			w.handle(r)
		case <-terminated:
			shutDown()
		case code := <-ended:
			os.Exit(code)
		}
	}
}
