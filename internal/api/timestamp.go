package api

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Timestamp is an instant in milliseconds since 1970 UTC. On the wire it is a
// JSON number of seconds with at most three decimals, as in 1790862132.45.
type Timestamp int64

// The instants a Timestamp may hold on the wire: years 1 to 9999.
const (
	minTimestamp = -62_135_596_800_000
	maxTimestamp = 253_402_300_799_999
)

// ErrTimestampString is the error for a timestamp sent as a JSON string; its
// text is the one AWS front ends answer with.
var ErrTimestampString = errors.New("class java.lang.String can not be converted to milliseconds since epoch")

// NewTimestamp returns the timestamp of a time, cut to milliseconds.
func NewTimestamp(t time.Time) *Timestamp { return new(Timestamp(t.UnixMilli())) }

// TimestampOf returns the timestamp of milliseconds since 1970 UTC.
func TimestampOf(ms int64) *Timestamp { return new(Timestamp(ms)) }

// UnixMilli returns the milliseconds since 1970 UTC.
func (t Timestamp) UnixMilli() int64 { return int64(t) }

// Time returns the instant as a time in UTC.
func (t Timestamp) Time() time.Time { return time.UnixMilli(int64(t)).UTC() }

// String returns the instant as RFC 3339 in UTC with milliseconds.
func (t Timestamp) String() string { return t.Time().Format("2006-01-02T15:04:05.000Z") }

// MarshalJSON writes seconds with up to three decimals, trailing zeros dropped.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	ms, sign := int64(t), ""
	if ms < minTimestamp || ms > maxTimestamp {
		return nil, fmt.Errorf("timestamp of %d milliseconds is outside the years 1 to 9999", ms)
	}
	if ms < 0 {
		ms, sign = -ms, "-"
	}
	text := sign + strconv.FormatInt(ms/1000, 10)
	if fraction := ms % 1000; fraction != 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%03d", fraction), "0")
	}
	return []byte(text), nil
}

// UnmarshalJSON reads a JSON number of seconds, integer or not, rounded to
// milliseconds. A null changes nothing.
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	text := string(data)
	switch {
	case text == "null":
		return nil
	case strings.HasPrefix(text, `"`):
		return ErrTimestampString
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return errors.New("timestamp is not a number of seconds")
	}
	ms := math.Round(seconds * 1000)
	if !(ms >= minTimestamp && ms <= maxTimestamp) {
		return errors.New("timestamp is outside the years 1 to 9999")
	}
	*t = Timestamp(ms)
	return nil
}
