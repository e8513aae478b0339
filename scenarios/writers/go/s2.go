// The part of S2's HTTP API that a writer needs: the unary append and the unary read, in JSON. Bodies travel as base64
// (`s2-format`), so that any bytes come through.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// S2's limit on a batch, and so on a record, in metered bytes: 8 and the body for each record.
const maxBatchBytes = 1 << 20

func metered(body []byte) int { return 8 + len(body) }

type s2 struct {
	endpoint, basin, token string
	http                   http.Client
}

func newS2() *s2 {
	basin, endpoint := os.Getenv("S2_BASIN"), os.Getenv("S2_BASIN_ENDPOINT")
	if endpoint == "" {
		endpoint = "{basin}.b.s2.dev" // the cloud: a host for each basin
	}
	if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	endpoint = strings.TrimSuffix(strings.ReplaceAll(endpoint, "{basin}", basin), "/")
	return &s2{endpoint: endpoint, basin: basin, token: os.Getenv("S2_ACCESS_TOKEN")}
}

type record struct {
	SeqNum uint64 `json:"seq_num,omitempty"`
	Body   []byte `json:"body"`
}

// refused is S2's answer where it is not 200.
type refused struct {
	status        int
	Code, Message string
	Mismatch      *uint64 `json:"seq_num_mismatch"` // 412: the stream's tail
	Tail          struct {
		SeqNum uint64 `json:"seq_num"`
	} `json:"tail"` // 416
}

func (r *refused) Error() string { return fmt.Sprintf("S2 said %d %s %s", r.status, r.Code, r.Message) }

// forGood: the same records will never be taken.
func (r *refused) forGood() bool {
	return r.status == http.StatusBadRequest || r.status == http.StatusRequestEntityTooLarge ||
		r.status == http.StatusUnprocessableEntity
}

// append stores all of the bodies, or none, and answers the stream's next sequence number. With match, only where that
// is where the stream ends. After an error that is not *refused nobody knows whether they are stored.
func (s *s2) append(ctx context.Context, stream string, bodies [][]byte, match *uint64) (uint64, error) {
	records := make([]record, len(bodies))
	for i, body := range bodies {
		records[i].Body = body
	}
	input, err := json.Marshal(struct {
		Records []record `json:"records"`
		Match   *uint64  `json:"match_seq_num,omitempty"`
	}{records, match})
	if err != nil {
		return 0, err
	}
	var ack struct {
		End struct {
			SeqNum uint64 `json:"seq_num"`
		} `json:"end"`
	}
	err = s.call(ctx, http.MethodPost, s.records(stream), input, &ack)
	return ack.End.SeqNum, err
}

// read answers records from the place that the query names, as many as fit into one answer.
func (s *s2) read(ctx context.Context, stream string, query url.Values) ([]record, error) {
	var batch struct {
		Records []record `json:"records"`
	}
	err := s.call(ctx, http.MethodGet, s.records(stream)+"?"+query.Encode(), nil, &batch)
	return batch.Records, err
}

func (s *s2) records(stream string) string {
	return s.endpoint + "/v1/streams/" + url.PathEscape(stream) + "/records"
}

func (s *s2) call(ctx context.Context, method, address string, body []byte, into any) error {
	ask, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	ask.Header.Set("authorization", "Bearer "+s.token)
	ask.Header.Set("content-type", "application/json")
	ask.Header.Set("s2-basin", s.basin)
	ask.Header.Set("s2-format", "base64")
	got, err := s.http.Do(ask)
	if err != nil {
		return err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		return err
	}
	if got.StatusCode != http.StatusOK {
		no := &refused{status: got.StatusCode}
		if err := json.Unmarshal(text, no); err != nil {
			no.Message = string(text)
		}
		return no
	}
	return json.Unmarshal(text, into)
}

// envelope is what a stored record holds. Two of one writer and seq are the same event; of two writers the one with the
// greater name began later.
type envelope struct {
	Writer  string          `json:"writer,omitempty"`
	Session string          `json:"capture_session_id"`
	Seq     uint64          `json:"seq"`
	Ts      int64           `json:"ts"`
	Event   json.RawMessage `json:"event"`
}

func marshal(writer, session string, seq uint64, event json.RawMessage) ([]byte, error) {
	return json.Marshal(envelope{writer, session, seq, time.Now().UnixMicro(), event})
}
