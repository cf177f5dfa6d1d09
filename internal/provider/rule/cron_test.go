package rule

import (
	"strings"
	"testing"
	"time"
)

func mustCron(t testing.TB, expression string) *cron {
	t.Helper()
	c, err := parseCron(expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return c
}

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	place, err := parseZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return place
}

// moment reads a time as "2026-11-23 09:00" in a zone, or with an offset.
func moment(t testing.TB, text string, place *time.Location) time.Time {
	t.Helper()
	for _, layout := range []string{"2006-01-02 15:04:05.999", "2006-01-02 15:04", "2006-01-02 15:04 -0700"} {
		if at, err := time.ParseInLocation(layout, text, place); err == nil {
			return at
		}
	}
	t.Fatalf("%q is not a time", text)
	return time.Time{}
}

// TestOpens: the first moment of a window from a given one. 2026-11-22 is a
// Sunday.
func TestOpens(t *testing.T) {
	t.Parallel()
	const berlin, newYork = "Europe/Berlin", "America/New_York"
	tests := []struct{ cron, zone, from, want string }{
		// Open now: that very moment.
		{"* * 9-17 ? * MON-FRI *", "", "2026-11-23 17:59:59.5", "2026-11-23 17:59:59.5"},
		{"0 30 9 ? * MON", "", "2026-11-23 09:30:59", "2026-11-23 09:30:59"}, // seconds are not evaluated
		{"15 30 9 ? * MON", "", "2026-11-23 09:30:00", "2026-11-23 09:30:00"},
		// Closed: the next opening.
		{"* * 9-17 ? * MON-FRI *", "", "2026-11-22 12:00", "2026-11-23 09:00"},
		{"* * 9-17 ? * MON-FRI *", "", "2026-11-27 18:00", "2026-11-30 09:00"},
		{"0 0 9-17 ? * MON-FRI *", "PST", "2026-11-23 09:30", "2026-11-23 10:00"},
		{"0 0 12 * * ?", "", "2026-11-22 12:01", "2026-11-23 12:00"},
		{"0 15 10 ? * *", "", "2026-11-22 10:14:59.9", "2026-11-22 10:15"},
		{"0 15 10 * * ? 2027-2199", "", "2026-11-22 12:00", "2027-01-01 10:15"},
		{"0 0/5 14 * * ?", "", "2026-11-22 14:01", "2026-11-22 14:05"},
		{"0 */7 14 * * ?", "", "2026-11-22 14:57", "2026-11-23 14:00"},
		{"0 /20 14,18 * * ?", "", "2026-11-22 14:41", "2026-11-22 18:00"},
		{"0 10,44 14 ? 3 WED", "", "2026-11-22 14:57", "2027-03-03 14:10"},
		{"0 15 10 15 * ?", "", "2026-11-22 12:00", "2026-12-15 10:15"},
		{"* * * L * ?", "", "2026-11-22 12:00", "2026-11-30 00:00"},
		{"* * * L-3 feb ?", "", "2026-11-22 12:00", "2027-02-25 00:00"},
		{"* * * LW * ?", "", "2027-01-22 12:00", "2027-01-29 00:00"},  // the 31st is a Sunday
		{"* * 20 LW * ?", "", "2027-01-29 12:00", "2027-01-29 20:00"}, // later on that day
		{"* * * 15W * ?", "", "2026-11-01 12:00", "2026-11-16 00:00"}, // a Sunday
		{"* * 8 15W 8 ?", "", "2026-11-01 12:00", "2027-08-16 08:00"}, // a Sunday
		{"* * * 1W * ?", "", "2027-04-30 12:00", "2027-05-03 00:00"},  // a Saturday, and no day before it
		{"* * * 31W 1 ?", "", "2026-11-01 12:00", "2027-01-29 00:00"}, // a Sunday, and no day after it
		{"* * * 31W * ?", "", "2027-01-30 12:00", "2027-03-31 00:00"}, // February has no 31st
		{"* * * ? * 6L", "", "2026-11-22 12:00", "2026-11-27 00:00"},
		{"* * * ? * friL", "", "2026-11-28 12:00", "2026-12-25 00:00"},
		{"* * * ? * L", "", "2026-11-22 12:00", "2026-11-28 00:00"}, // Saturday
		{"* * * ? * 6#3", "", "2026-11-22 12:00", "2026-12-18 00:00"},
		{"* * * ? * SUN#5", "", "2026-11-22 12:00", "2026-11-29 00:00"},
		{"* * * ? 2 1#5", "", "2026-11-22 12:00", "2032-02-29 00:00"},
		{"* * * ? * 1", "", "2026-11-23 12:00", "2026-11-29 00:00"},
		{"* * * ? * FRI-MON", "", "2026-11-24 12:00", "2026-11-27 00:00"},
		{"* * * ? * 2-6/2", "", "2026-11-24 12:00", "2026-11-25 00:00"},
		{"* * 22-2 * * ?", "", "2026-11-24 03:00", "2026-11-24 22:00"},
		{"* * 22-2 * * ?", "", "2026-11-24 01:30", "2026-11-24 01:30"},
		{"* * * 1/10 * ?", "", "2026-11-22 12:00", "2026-12-01 00:00"},
		{"* * * 1,L * ?", "", "2026-11-22 12:00", "2026-11-30 00:00"},
		{"* * * 29 2 ?", "", "2026-11-22 12:00", "2028-02-29 00:00"},
		{"* * * 29 2 ?", "", "2097-11-22 12:00", "2104-02-29 00:00"},
		{"* * * * JAN-MAR,DEC *", "", "2026-11-22 12:00", "2026-12-01 00:00"},
		{"* * * ? * * 2199", "", "2026-11-22 12:00", "2199-01-01 00:00"},
		// Clocks that change. In Berlin 2027-03-28 02:00 becomes 03:00, and
		// 2027-10-31 03:00 becomes 02:00.
		{"* 30 2 * * ?", berlin, "2027-03-28 00:00", "2027-03-29 02:30"},
		{"* * 2-3 * * ?", berlin, "2027-03-28 00:00", "2027-03-28 03:00"},
		{"* 30 2 31 10 ?", berlin, "2027-10-31 00:00", "2027-10-31 02:30 +0200"},
		{"* 30 2 31 10 ?", berlin, "2027-10-31 02:31 +0200", "2027-10-31 02:30 +0100"},
		{"* 30 2 31 10 ?", berlin, "2027-10-31 02:31 +0100", "2028-10-31 02:30"},
		{"* * 4 * * ?", berlin, "2027-10-30 12:00", "2027-10-31 04:00 +0100"},
		{"* 30 2 ? 3 1#2", newYork, "2026-11-22 12:00", ""},                     // always skipped
		{"* 0 0 * * ?", "Africa/Cairo", "2027-04-29 12:00", "2027-05-01 00:00"}, // midnight is skipped
		{"* * 0-1 30 4 ?", "Africa/Cairo", "2027-04-29 12:00", "2027-04-30 01:00"},
		{"* 15 2 ? * *", "Australia/Lord_Howe", "2027-10-02 12:00", "2027-10-04 02:15"}, // by half an hour
		// Windows that never open.
		{"* * * 31 2 ?", "", "2026-11-22 12:00", ""},
		{"* * * L-30 2,4 ?", "", "2026-11-22 12:00", ""},
		{"* * * * * ? 2025", "", "2026-11-22 12:00", ""},
	}
	for _, test := range tests {
		place := mustZone(t, test.zone)
		got, ok := mustCron(t, test.cron).opens(moment(t, test.from, place), place)
		if test.want == "" {
			if ok {
				t.Errorf("%s from %s opens at %s, want never", test.cron, test.from, got.In(place))
			}
			continue
		}
		if want := moment(t, test.want, place); !ok || !got.Equal(want) {
			t.Errorf("%s from %s opens at %s, want %s", test.cron, test.from, got.In(place), want)
		}
	}
}

func TestParseCronRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ cron, want string }{
		{"", "0 fields"},
		{"* * * * *", "5 fields"},
		{"* * * * * * * *", "8 fields"},
		{"@daily", "1 fields"},
		{"* * * ? * ?", "both ?"},
		{"* * * 1 * 1", "one of them must be ?"},
		{"60 * * * * ?", `seconds: "60"`},
		{"* 60 * * * ?", `minutes: "60"`},
		{"* ? * * * ?", `minutes: "?"`},
		{"* * 24 * * ?", `hours: "24"`},
		{"* * * 0 * ?", `day of month: "0"`},
		{"* * * 32 * ?", `day of month: "32"`},
		{"* * * L-31 * ?", "L-31"},
		{"* * * L- * ?", "L-"},
		{"* * * W * ?", `day of month: ""`},
		{"* * * 32W * ?", `day of month: "32"`},
		{"* * * * 0 ?", `month: "0"`},
		{"* * * * JANUARY ?", "JANUARY"},
		{"* * * ? * 8", `day of week: "8"`},
		{"* * * ? * MON#6", "from 1 to 5"},
		{"* * * ? * MON#0", "from 1 to 5"},
		{"* * * ? * #2", `day of week: ""`},
		{"* * * ? * 9L", `day of week: "9"`},
		{"* * * * * ? 1969", `year: "1969"`},
		{"* * * * * ? 2200", `year: "2200"`},
		{"* * * * * ? 2030-2027", "ends before it begins"},
		{"* */0 * * * ?", "step"},
		{"* */60 * * * ?", "step"},
		{"* */x * * * ?", "step"},
		{"* 1/+5 * * * ?", "step"},
		{"* 1/2/3 * * * ?", "step"},
		{"* +5 * * * ?", `"+5"`},
		{"* 1- * * * ?", `minutes: ""`},
		{"* 1-2-3 * * * ?", `"2-3"`},
		{"* 1,,2 * * * ?", `minutes: ""`},
		{"* 5L * * * ?", `minutes: "5L"`},
		{"* " + strings.Repeat("9", 400) + " * * * ?", "minutes"},
	}
	for _, test := range tests {
		if _, err := parseCron(test.cron); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want an error with %q", test.cron, err, test.want)
		}
	}
}

func TestParseZone(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.July, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct{ zone, want string }{
		{"", "+00:00"},
		{"UTC", "+00:00"},
		{"UTC+05:45", "+05:45"},
		{"UTC-03:30", "-03:30"},
		{"UTC+9", "+09:00"},
		{"GMT+18:00", "+18:00"},
		{"+0230", "+02:30"},
		{" Europe/Berlin ", "+02:00"},
		{"America/Argentina/Buenos_Aires", "-03:00"},
		{"CET", "+02:00"},
		{"PST", "-07:00"}, // Los Angeles, in summer
		{"CST", "-05:00"}, // Chicago
		{"IST", "+05:30"}, // India
		{"EST", "-05:00"}, // no summer
		{"HST", "-10:00"},
	}
	for _, test := range tests {
		place, err := parseZone(test.zone)
		if err != nil {
			t.Errorf("%q: %v", test.zone, err)
		} else if got := at.In(place).Format("-07:00"); got != test.want {
			t.Errorf("%q is %s, want %s", test.zone, got, test.want)
		}
	}
	for _, zone := range []string{"Local", "PDT", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "UTC+19:00", "UTC+18:01", "UTC+1:75", "UTC+", "right/Europe/Berlin"} {
		if place, err := parseZone(zone); err == nil {
			t.Errorf("%q is %s, want it refused", zone, place)
		}
	}
}

// TestAbbreviations: every zone that an abbreviation stands for is there.
func TestAbbreviations(t *testing.T) {
	t.Parallel()
	for short := range abbreviations() {
		if _, err := parseZone(short); err != nil {
			t.Errorf("%s: %v", short, err)
		}
	}
}

// FuzzCron: reading ends, and the window opens at the first open minute.
func FuzzCron(f *testing.F) {
	for _, seed := range []string{
		"* * 9-17 ? * MON-FRI *", "0 0/5 14,18 * * ? 2026-2030", "0 15 10 L-3 * ?", "0 15 10 LW FEB ?", "* * * 15W,31W * ?",
		"0 15 10 ? * 6#3", "0 15 10 ? * 6L", "59 59 23 31 12 ? 2199", "* 30 2 ? 3 1#2", "* 22-2/3 */5 ? * L",
	} {
		f.Add(seed, "Europe/Berlin", int64(1_800_000_000))
		f.Add(seed, "UTC-03:30", int64(1_806_195_600))
	}
	f.Fuzz(func(t *testing.T, expression, zone string, unix int64) {
		c, err := parseCron(expression)
		if err != nil {
			return
		}
		place, err := parseZone(zone)
		if err != nil {
			return
		}
		const from, to = 946_684_800, 4_102_444_800 // the years 2000 to 2100
		at := time.Unix(from+(unix%(to-from)+(to-from))%(to-from), 0)
		opens, ok := c.opens(at, place)
		if ok && (opens.Before(at) || !c.open(opens, place)) {
			t.Fatalf("%q in %s from %s opens at %s, where it is closed", expression, place, at, opens)
		}
		const looked = 3 * 24 * 60
		for next, n := at, 0; n < looked && (!ok || next.Before(opens)); n++ {
			if c.open(next, place) {
				t.Fatalf("%q in %s from %s opens at %s (%t), but it is open at %s", expression, place, at, opens, ok, next)
			}
			next = next.Truncate(time.Minute).Add(time.Minute)
		}
	})
}
