package api_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	"pgregory.net/rapid"
)

func TestTimestampOut(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]string{
		1790862132450:       "1790862132.45",
		1790862132000:       "1790862132",
		1790862132400:       "1790862132.4",
		1790862132001:       "1790862132.001",
		1427245911525:       "1427245911.525",
		0:                   "0",
		7:                   "0.007",
		-1500:               "-1.5",
		-7:                  "-0.007",
		253_402_300_799_999: "253402300799.999",
	} {
		got, err := json.Marshal(api.TimestampOf(ms))
		if err != nil || string(got) != want {
			t.Errorf("%d ms is written %s (%v), want %s", ms, got, err, want)
		}
	}
	for _, ms := range []int64{math.MinInt64, math.MaxInt64, 253_402_300_800_000} {
		if got, err := json.Marshal(api.TimestampOf(ms)); err == nil {
			t.Errorf("%d ms is written %s, want an error", ms, got)
		}
	}
}

func TestTimestampIn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"1790862132":        1790862132000,
		"1790862132.45":     1790862132450,
		"1.79086213245E9":   1790862132450,
		"1790862132.450499": 1790862132450,
		"-1.5":              -1500,
		"0":                 0,
	} {
		var got api.Timestamp
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.UnixMilli() != want {
			t.Errorf("%s is read as %d ms (%v), want %d", text, got.UnixMilli(), err, want)
		}
	}
	for text, want := range map[string]string{
		`"2026-10-01T00:00:00Z"`: "class java.lang.String can not be converted to milliseconds since epoch",
		`true`:                   "timestamp is not a number of seconds",
		`[1]`:                    "timestamp is not a number of seconds",
		`1e300`:                  "timestamp is outside the years 1 to 9999",
		`253402300800`:           "timestamp is outside the years 1 to 9999",
	} {
		got := api.Timestamp(5)
		if err := json.Unmarshal([]byte(text), &got); err == nil || err.Error() != want || got != 5 {
			t.Errorf("%s gives %d, %v; want error %s", text, got, err, want)
		}
	}
	var absent struct{ T *api.Timestamp }
	if err := json.Unmarshal([]byte(`{"T":null}`), &absent); err != nil || absent.T != nil {
		t.Errorf("null is read as %v, %v", absent.T, err)
	}
}

func TestTimestampRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Int64Range(-62_135_596_800_000, 253_402_300_799_999).Draw(t, "ms")
		data, err := json.Marshal(api.TimestampOf(want))
		if err != nil {
			t.Fatal(err)
		}
		var got api.Timestamp
		if err := json.Unmarshal(data, &got); err != nil || got.UnixMilli() != want {
			t.Fatalf("%d ms came back from %s as %d (%v)", want, data, got, err)
		}
	})
}

func TestTimestampTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 10, 1, 12, 2, 12, 450_900_000, time.FixedZone("", 3600))
	got := api.NewTimestamp(at)
	if want := at.Truncate(time.Millisecond); !got.Time().Equal(want) || got.Time().Location() != time.UTC {
		t.Errorf("time is %v, want %v in UTC", got.Time(), want)
	}
	if got.String() != "2026-10-01T11:02:12.450Z" {
		t.Errorf("printed %s", got)
	}
}
