// The naive form: what one writes in an afternoon. An event is accepted when it is in the channel. One goroutine a
// session takes it from there, batches by count and linger, and tries each batch a few times. It knows one session at a
// time, and nothing of SIGTERM.
package main

import (
	"context"
	"log"
	"time"
)

const (
	naiveAttempts = 5
	naiveTimeout  = 5 * time.Second
)

type item struct {
	seq  uint64
	body []byte
	done chan bool // a flush: told when everything before it was sent
}

type naive struct {
	s2      *s2
	seq     uint64
	session string
	queue   chan item // nil: no session
	ended   chan bool
}

func (w *naive) handle(r request) {
	switch r.Op {
	case "start":
		w.stop()
		w.session = r.Session
		w.queue, w.ended = make(chan item, capacity), make(chan bool)
		go w.run(r.Session, w.queue, w.ended)
		say(answer{"started": r.Session})
	case "publish":
		w.publish(r)
	case "flush":
		if w.queue == nil {
			return
		}
		through, session, done := w.seq, w.session, make(chan bool)
		w.queue <- item{done: done}
		go func() {
			<-done
			say(answer{"flushed": answer{"through": through}, "session": session})
		}()
	case "stop":
		w.stop()
	}
}

func (w *naive) publish(r request) {
	if w.queue == nil {
		say(answer{"rejected": r.N, "reason": "no session"})
		return
	}
	body, err := marshal("", w.session, w.seq+1, r.Event)
	if err != nil {
		say(answer{"rejected": r.N, "reason": err.Error()})
		return
	}
	select {
	case w.queue <- item{seq: w.seq + 1, body: body}:
		w.seq++
		say(answer{"published": r.N, "seq": w.seq})
	default:
		say(answer{"rejected": r.N, "reason": "the queue is full"})
	}
}

func (w *naive) run(session string, queue <-chan item, ended chan<- bool) {
	defer close(ended)
	var batch [][]byte
	var last uint64
	var due <-chan time.Time
	send := func() {
		if len(batch) > 0 && w.send(streamOf(session), batch) {
			say(answer{"acked": last, "session": session})
		}
		batch, due = nil, nil
	}
	for {
		select {
		case it, open := <-queue:
			if !open {
				send()
				return
			}
			if it.done != nil {
				send()
				close(it.done)
				continue
			}
			if len(batch) == 0 {
				due = time.After(linger)
			}
			batch, last = append(batch, it.body), it.seq
			if len(batch) >= maxRecords {
				send()
			}
		case <-due:
			send()
		}
	}
}

func (w *naive) send(stream string, batch [][]byte) bool {
	for attempt := 0; attempt < naiveAttempts; attempt++ {
		ctx, cancel := context.WithTimeout(context.Background(), naiveTimeout)
		_, err := w.s2.append(ctx, stream, batch, nil)
		cancel()
		if err == nil {
			return true
		}
		log.Printf("append of %d records: %v", len(batch), err)
		time.Sleep(50 * time.Millisecond << attempt)
	}
	log.Printf("%d records were not stored", len(batch))
	return false
}

func (w *naive) stop() {
	if w.queue == nil {
		return
	}
	close(w.queue)
	<-w.ended
	w.queue = nil
	say(answer{"stopped": answer{"through": w.seq}, "session": w.session})
}

func (w *naive) shutDown() int {
	w.stop()
	return 0
}
