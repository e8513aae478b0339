// The careful form: nothing accepted is lost without a word.
//
// Each stream has a ring of events, oldest first; those in front are on their way, one append at a time, the rest wait. A
// full ring drops the oldest that waits, and says so. Every append is conditional on the stream's end (match_seq_num), so
// a retry cannot store twice: where S2 answers that the end is elsewhere, what stands there tells whether an earlier
// attempt was stored after all, or who else writes. The writer that began last owns the stream; the other steps down.
// At the end (SIGTERM, end of input) the rings drain until a deadline, and what is left is reported as lost.
//
// Here: the requests and the end. stream.go: how a stream's events are stored.
package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

const flushWithin = 2 * time.Second

type event struct {
	seq     uint64
	session *session
	body    []byte
	at      time.Time
}

type session struct {
	name    string
	stream  *stream
	open    bool
	durable uint64        // everything up to here is stored, or was reported as dropped
	holed   bool          // something was lost: durable rises no more
	asked   chan struct{} // the flush or stop before: answers come in the order of the asking
}

type careful struct {
	s2       *s2
	id       string // of this process: begins with the time of its start
	answers  sync.WaitGroup
	mu       sync.Mutex // guards what follows, all streams and all sessions; never held while S2 is asked
	seq      uint64
	off      bool
	lost     bool
	newest   *session
	sessions map[string]*session
	streams  map[string]*stream
	changed  chan struct{} // closed, and made anew, when events have left a ring
	draining chan struct{} // closed when the process ends
	deadline time.Time     // then: until when
}

func newCareful(client *s2) *careful {
	return &careful{
		s2: client, id: fmt.Sprintf("%016x-%08x", time.Now().UnixNano(), uint32(os.Getpid())),
		sessions: map[string]*session{}, streams: map[string]*stream{},
		changed: make(chan struct{}), draining: make(chan struct{}),
	}
}

func (w *careful) handle(r request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.newest
	if r.Session != "" {
		s = w.sessions[r.Session]
	}
	switch r.Op {
	case "start":
		w.start(r.Session)
	case "publish":
		w.publish(r, s)
	case "storage":
		w.off = !r.On
		say(answer{"storage": r.On})
	case "flush":
		if s != nil {
			w.inTurn(s, func(cutoff uint64, until time.Time) { w.flush(s, cutoff, until) }, r.deadline(flushWithin))
		}
	case "stop":
		if s != nil && s.open {
			s.open = false
			w.inTurn(s, func(cutoff uint64, until time.Time) { w.stop(s, cutoff, until) }, leaveTime(r.deadline(budget)))
		}
	}
}

// leaveTime takes from what is left until the deadline what a report needs.
func leaveTime(deadline time.Time) time.Time { return deadline.Add(-time.Until(deadline) / 10) }

func (w *careful) start(name string) {
	s := w.sessions[name]
	if s == nil {
		target := streamOf(name)
		if w.streams[target] == nil {
			w.streams[target] = &stream{name: target, wake: make(chan struct{}, 1)}
			go w.run(w.streams[target])
		}
		s = &session{name: name, stream: w.streams[target], asked: make(chan struct{})}
		close(s.asked)
		w.sessions[name] = s
	}
	s.open, w.newest = true, s
	say(answer{"started": name})
}

func (w *careful) publish(r request, s *session) {
	reject := func(reason string) { say(answer{"rejected": r.N, "reason": reason}) }
	switch {
	case s == nil || !s.open:
		reject("no session")
		return
	case !w.deadline.IsZero():
		reject("shutting down")
		return
	case s.stream.taken:
		reject("a later writer has the stream")
		return
	}
	body, err := marshal(w.id, s.name, w.seq+1, r.Event)
	if err != nil || metered(body) > maxBatchBytes {
		reject("not an event that S2 takes")
		return
	}
	w.seq++
	say(answer{"published": r.N, "seq": w.seq})
	if w.off {
		return
	}
	st := s.stream
	if len(st.ring)-st.flying >= capacity {
		oldest := st.ring[st.flying]
		st.ring = append(st.ring[:st.flying:st.flying], st.ring[st.flying+1:]...)
		say(answer{"dropped": answer{"from": oldest.seq, "to": oldest.seq}, "session": oldest.session.name})
	}
	st.ring = append(st.ring, &event{w.seq, s, body, time.Now()})
	st.nudge()
}

func (w *careful) tellChange() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// lose reports events as lost, in ranges without holes.
func (w *careful) lose(events []*event, reason string) {
	for i := 0; i < len(events); {
		s, from, to := events[i].session, events[i].seq, events[i].seq
		for i++; i < len(events) && events[i].session == s && events[i].seq == to+1; i++ {
			to++
		}
		s.holed, w.lost = true, true
		say(answer{"lost": answer{"from": from, "to": to, "reason": reason}, "session": s.name})
	}
}

// inTurn answers a flush or a stop behind those that were asked for before.
func (w *careful) inTurn(s *session, work func(cutoff uint64, until time.Time), until time.Time) {
	cutoff, before, done := w.seq, s.asked, make(chan struct{})
	s.asked = done
	s.stream.hurry = cutoff
	s.stream.nudge()
	w.answers.Add(1)
	go func() {
		defer w.answers.Done()
		<-before
		work(cutoff, until)
		close(done)
	}()
}

// unsaved waits, at most until then, for the session's events up to the cut-off to leave the ring. Those that are left.
// A shutdown's deadline is a deadline here, too. It returns with the lock held.
func (w *careful) unsaved(s *session, cutoff uint64, until time.Time) (left []*event) {
	w.mu.Lock()
	for {
		if !w.deadline.IsZero() && w.deadline.Before(until) {
			until = w.deadline
		}
		left = nil
		for _, e := range s.stream.ring {
			if e.session == s && e.seq <= cutoff {
				left = append(left, e)
			}
		}
		if len(left) == 0 || time.Now().After(until) {
			return left
		}
		changed, late := w.changed, time.NewTimer(time.Until(until))
		w.mu.Unlock()
		select {
		case <-changed:
		case <-late.C:
		}
		late.Stop()
		w.mu.Lock()
	}
}

func (w *careful) flush(s *session, cutoff uint64, until time.Time) {
	left := w.unsaved(s, cutoff, until)
	defer w.mu.Unlock()
	if len(left) > 0 || s.holed {
		say(answer{"flush_failed": answer{"durable_through": s.durable, "pending": len(left)}, "session": s.name})
	} else {
		say(answer{"flushed": answer{"through": cutoff}, "session": s.name})
	}
}

// stop answers what is durable by its deadline. What is not is tried on, for as long as the process lives.
func (w *careful) stop(s *session, cutoff uint64, until time.Time) {
	w.unsaved(s, cutoff, until)
	defer w.mu.Unlock()
	say(answer{"stopped": answer{"through": s.durable}, "session": s.name})
}

// end is the session's part of a shutdown.
func (w *careful) end(s *session, cutoff uint64, until time.Time) {
	left := w.unsaved(s, cutoff, until)
	defer w.mu.Unlock()
	w.giveUp(s.stream, left)
	if s.open {
		s.open = false
		say(answer{"stopped": answer{"through": s.durable}, "session": s.name})
	}
}

// giveUp reports events as lost and takes them out of the ring. One that is on its way may be stored all the same.
func (w *careful) giveUp(st *stream, left []*event) {
	w.lose(left, "not stored in time")
	given := map[*event]bool{}
	for _, e := range left {
		given[e] = true
	}
	kept, flying := []*event{}, 0
	for i, e := range st.ring {
		if given[e] {
			continue
		}
		kept = append(kept, e)
		if i < st.flying {
			flying++
		}
	}
	st.ring, st.flying = kept, flying
	w.tellChange()
}

func (w *careful) shutDown() int {
	w.mu.Lock()
	w.deadline = leaveTime(time.Now().Add(budget))
	close(w.draining)
	w.tellChange()
	for _, st := range w.streams {
		if st.cancel != nil && time.Since(st.since) > firstTimeout {
			st.cancel() // what it had time for does not answer: a fresh attempt, with a part of what is left
		}
	}
	for _, s := range w.sessions {
		s := s
		w.inTurn(s, func(cutoff uint64, until time.Time) { w.end(s, cutoff, until) }, w.deadline)
	}
	w.mu.Unlock()
	w.answers.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost {
		return 1
	}
	return 0
}
