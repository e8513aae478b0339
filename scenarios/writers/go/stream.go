// One stream of the careful form: batches leave its ring one at a time, each tried until its fate is known.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math"
	"math/rand"
	"net/url"
	"time"
)

const (
	firstTimeout = 500 * time.Millisecond // of an attempt; each further one has twice the time
	lastTimeout  = 4 * time.Second
	firstPause   = 25 * time.Millisecond // between attempts, likewise
	lastPause    = time.Second
	drainPause   = 50 * time.Millisecond
)

type stream struct {
	name   string
	ring   []*event
	flying int           // so many in front are on their way
	hurry  uint64        // up to here nothing lingers
	wake   chan struct{} // something came, or is in a hurry
	next   uint64        // where the stream ends, if known
	known  bool
	taken  bool               // by a later writer
	cancel context.CancelFunc // of the attempt that goes on since
	since  time.Time
}

func (st *stream) nudge() {
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// run stores what comes into a stream's ring, for as long as the process lives.
func (w *careful) run(st *stream) {
	for {
		w.store(st, w.nextBatch(st))
	}
}

// nextBatch waits until a batch is full, has lingered, or is in a hurry.
func (w *careful) nextBatch(st *stream) []*event {
	for {
		w.mu.Lock()
		n, size := 0, 0
		for n < len(st.ring) && n < maxRecords && size+metered(st.ring[n].body) <= maxBatchBytes {
			size += metered(st.ring[n].body)
			n++
		}
		wait := time.Duration(math.MaxInt64)
		if n > 0 {
			wait = time.Until(st.ring[0].at.Add(linger))
			if wait <= 0 || n == maxRecords || n < len(st.ring) || st.ring[0].seq <= st.hurry {
				st.flying = n
				batch := append([]*event(nil), st.ring[:n]...)
				w.mu.Unlock()
				return batch
			}
		}
		w.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-st.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// store tries until the batch is stored, refused for good, or not this writer's to store any more.
func (w *careful) store(st *stream, batch []*event) {
	bodies := make([][]byte, len(batch))
	for i, e := range batch {
		bodies[i] = e.body
	}
	for attempt := 0; ; attempt++ {
		stored, err := w.try(st, batch, bodies, attempt)
		var no *refused
		switch {
		case stored:
			w.settle(st, "")
			return
		case err == nil:
			continue // it is known now where the stream ends
		case err == errTaken:
			w.mu.Lock()
			st.taken, st.flying = true, len(st.ring)
			w.mu.Unlock()
			w.settle(st, err.Error())
			return
		case errors.As(err, &no) && no.forGood():
			w.settle(st, no.Error())
			return
		}
		log.Printf("stream %s, attempt %d: %v", st.name, attempt+1, err)
		w.s2.http.CloseIdleConnections() // a network that was cut leaves some that are dead and do not look it
		pause := shifted(firstPause, attempt, lastPause)
		pause = pause/2 + time.Duration(rand.Int63n(int64(pause/2)))
		select {
		case <-time.After(pause):
		case <-w.draining:
			if pause > drainPause {
				pause = drainPause
			}
			time.Sleep(pause)
		}
	}
}

func shifted(first time.Duration, times int, last time.Duration) time.Duration {
	if times > 10 || first<<times > last {
		return last
	}
	return first << times
}

var errTaken = errors.New("a later writer has the stream")

// try makes one attempt. Neither stored nor an error: the stream ends elsewhere than was thought.
func (w *careful) try(st *stream, batch []*event, bodies [][]byte, attempt int) (stored bool, err error) {
	limit := shifted(firstTimeout, attempt, lastTimeout)
	w.mu.Lock()
	if left := time.Until(w.deadline) / 3; !w.deadline.IsZero() && left < limit {
		limit = left
	}
	var ctx context.Context
	ctx, st.cancel = context.WithTimeout(context.Background(), limit)
	st.since = time.Now()
	defer st.cancel()
	w.mu.Unlock()

	if !st.known { // who wrote last, and where
		if _, err := w.survey(ctx, st, url.Values{"tail_offset": {"1"}}, nil); err != nil {
			return false, err
		}
		st.known = true
	}
	end, err := w.s2.append(ctx, st.name, bodies, &st.next)
	var no *refused
	if errors.As(err, &no) && no.Mismatch != nil {
		from := url.Values{"seq_num": {fmt.Sprint(st.next)}}
		if *no.Mismatch < st.next {
			from = url.Values{"tail_offset": {"1"}} // the stream was made anew
		}
		return w.survey(ctx, st, from, batch)
	}
	if err == nil {
		st.next = end
	}
	return err == nil, err
}

// survey reads who wrote to the stream and where it ends. Stored: the batch's first event stands there, and with it, by
// the atomicity of appends, all of them.
func (w *careful) survey(ctx context.Context, st *stream, from url.Values, batch []*event) (stored bool, err error) {
	records, err := w.s2.read(ctx, st.name, from)
	var no *refused
	if errors.As(err, &no) && (no.status == 416 || no.status == 404) { // no record, or no stream yet
		st.next = no.Tail.SeqNum
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, r := range records {
		var e envelope
		if json.Unmarshal(r.Body, &e) != nil {
			e = envelope{} // none of ours
		}
		switch {
		case e.Writer > w.id:
			return false, errTaken
		case len(batch) > 0 && e.Writer == w.id && e.Seq == batch[0].seq:
			st.next = r.SeqNum + uint64(len(batch))
			return true, nil
		}
		st.next = r.SeqNum + 1
	}
	return false, nil
}

// settle takes what is on its way out of the ring: stored, or lost for a reason.
func (w *careful) settle(st *stream, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	gone := st.ring[:st.flying]
	st.ring, st.flying = st.ring[st.flying:], 0
	if reason != "" {
		w.lose(gone, reason)
	} else {
		acked := map[*session]bool{}
		for _, e := range gone {
			if !e.session.holed {
				e.session.durable, acked[e.session] = e.seq, true
			}
		}
		for s := range acked {
			say(answer{"acked": s.durable, "session": s.name})
		}
	}
	w.tellChange()
}
