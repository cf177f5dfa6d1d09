package rule

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // the program may run where there is no time zone database
)

// offsetForm is an offset from UTC as Java reads it.
var offsetForm = regexp.MustCompile(`^(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?([0-5]\d))?$`)

// parseZone reads a TimeZone: empty for UTC, Region/City, UTC+HH:MM, or one of
// the abbreviations that Java knows (actions.md B.4).
func parseZone(text string) (*time.Location, error) {
	text = strings.TrimSpace(text)
	switch text {
	case "", "UTC", "GMT", "UT", "Z":
		return time.UTC, nil
	}
	if match := offsetForm.FindStringSubmatch(text); match != nil {
		return offsetZone(text, match)
	}
	name, ok := abbreviations()[text]
	if !ok {
		name = text
	}
	// "Local" is the zone of the machine, which differs from node to node.
	if name == "Local" || strings.HasPrefix(name, "posix") || strings.HasPrefix(name, "right/") {
		return nil, unknownZone(text)
	}
	if offset, ok := strings.CutPrefix(name, "-"); ok {
		return offsetZone(text, []string{"", "-", offset, ""})
	}
	place, err := time.LoadLocation(name)
	if err != nil {
		return nil, unknownZone(text)
	}
	return place, nil
}

func unknownZone(text string) error {
	return fmt.Errorf("%q is not a time zone: it must be a name such as Europe/Berlin, an offset such as UTC+02:00, or an abbreviation that Java knows, such as PST", shown(text))
}

// offsetZone makes the zone of a sign, hours and minutes.
func offsetZone(text string, match []string) (*time.Location, error) {
	seconds := 0
	for i, unit := range []int{3600, 60} {
		n := 0
		for _, digit := range match[2+i] {
			n = n*10 + int(digit-'0')
		}
		seconds += n * unit
	}
	const most = 18 * 3600
	if seconds > most {
		return nil, fmt.Errorf("%q is not a time zone: offsets go up to 18 hours", shown(text))
	}
	if match[1] == "-" {
		seconds = -seconds
	}
	return time.FixedZone(text, seconds), nil
}

// abbreviations are the short names of Java (java.time.ZoneId.SHORT_IDS) and what
// they stand for; a number is a fixed offset in hours.
func abbreviations() map[string]string {
	return map[string]string{
		"ACT": "Australia/Darwin",
		"AET": "Australia/Sydney",
		"AGT": "America/Argentina/Buenos_Aires",
		"ART": "Africa/Cairo",
		"AST": "America/Anchorage",
		"BET": "America/Sao_Paulo",
		"BST": "Asia/Dhaka",
		"CAT": "Africa/Harare",
		"CNT": "America/St_Johns",
		"CST": "America/Chicago",
		"CTT": "Asia/Shanghai",
		"EAT": "Africa/Addis_Ababa",
		"ECT": "Europe/Paris",
		"EST": "-5",
		"HST": "-10",
		"IET": "America/Indiana/Indianapolis",
		"IST": "Asia/Kolkata",
		"JST": "Asia/Tokyo",
		"MIT": "Pacific/Apia",
		"MST": "-7",
		"NET": "Asia/Yerevan",
		"NST": "Pacific/Auckland",
		"PLT": "Asia/Karachi",
		"PNT": "America/Phoenix",
		"PRT": "America/Puerto_Rico",
		"PST": "America/Los_Angeles",
		"SST": "Pacific/Guadalcanal",
		"VST": "Asia/Ho_Chi_Minh",
	}
}
