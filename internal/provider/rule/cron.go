package rule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// cron is an expression as Quartz reads it: seconds, minutes, hours, day of
// month, month, day of week, and perhaps year (actions.md B.4). It is a set of
// minutes, because seconds are not evaluated.
type cron struct {
	minutes set
	hours   set
	months  set
	years   set
	days    monthDays
	week    weekDays
}

// set is a set of small numbers, of years those since firstYear.
type set [4]uint64

const (
	firstYear = 1970
	lastYear  = 2199
)

func (s *set) add(n int)      { s[n/64] |= 1 << (n % 64) }
func (s *set) has(n int) bool { return n >= 0 && n < 256 && s[n/64]&(1<<(n%64)) != 0 }

// monthDays are days of a month; any is set for * and ?.
type monthDays struct {
	any     bool
	listed  set
	last    set // days before the last: 0 for L, 3 for L-3
	nearest set // 15 for 15W
	// lastWeekday is LW.
	lastWeekday bool
}

// weekDays are days of a week, from 1 for Sunday to 7; any is set for * and ?.
type weekDays struct {
	any    bool
	listed set
	last   set    // 6 for 6L
	nth    [6]set // nth[3] has 6 for 6#3
}

// field is what the values of one field of an expression can be.
type field struct {
	name     string
	min, max int
	names    []string // of the values from min on
	// wraps lets a range end before it begins, as in FRI-MON.
	wraps bool
}

func (f field) outside(text string) error {
	return fmt.Errorf("%s: %q is not a value from %d to %d", f.name, text, f.min, f.max)
}

func secondsField() field { return field{name: "seconds", max: 59, wraps: true} }
func minutesField() field { return field{name: "minutes", max: 59, wraps: true} }
func hoursField() field   { return field{name: "hours", max: 23, wraps: true} }
func daysField() field    { return field{name: "day of month", min: 1, max: 31, wraps: true} }
func yearField() field    { return field{name: "year", min: firstYear, max: lastYear} }

func monthField() field {
	return field{name: "month", min: 1, max: 12, wraps: true,
		names: strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")}
}

func weekField() field {
	return field{name: "day of week", min: 1, max: 7, wraps: true, names: strings.Fields("SUN MON TUE WED THU FRI SAT")}
}

// parseCron reads an expression. The error says what is wrong with it.
func parseCron(expression string) (*cron, error) {
	fields := strings.Fields(strings.ToUpper(expression))
	if n := len(fields); n != 6 && n != 7 {
		return nil, fmt.Errorf("it has %d fields; there must be seconds, minutes, hours, day of month, month, day of week, and perhaps year", n)
	}
	if len(fields) == 6 {
		fields = append(fields, "*")
	}
	dayOfMonth, dayOfWeek := fields[3], fields[5]
	free := func(text string) bool { return text == "*" || text == "?" }
	switch {
	case dayOfMonth == "?" && dayOfWeek == "?":
		return nil, errors.New("day of month and day of week are both ?; only one of them can be")
	case !free(dayOfMonth) && !free(dayOfWeek):
		return nil, errors.New("day of month and day of week both choose days; one of them must be ?")
	}
	c := &cron{}
	var years, seconds set
	for _, part := range []struct {
		of   field
		text string
		into *set
	}{
		{secondsField(), fields[0], &seconds}, // checked, not evaluated
		{minutesField(), fields[1], &c.minutes},
		{hoursField(), fields[2], &c.hours},
		{monthField(), fields[4], &c.months},
		{yearField(), fields[6], &years},
	} {
		if err := part.of.list(part.text, part.into, nil); err != nil {
			return nil, err
		}
	}
	c.years = years
	if c.days.any = free(dayOfMonth); !c.days.any {
		if err := daysField().list(dayOfMonth, &c.days.listed, c.days.special); err != nil {
			return nil, err
		}
	}
	if c.week.any = free(dayOfWeek); !c.week.any {
		if err := weekField().list(dayOfWeek, &c.week.listed, c.week.special); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// list reads the items of a field. special takes what only one field has, and
// says whether the item was of that kind.
func (f field) list(text string, into *set, special func(f field, item string) (bool, error)) error {
	for item := range strings.SplitSeq(text, ",") {
		if special != nil {
			taken, err := special(f, item)
			if err != nil {
				return err
			}
			if taken {
				continue
			}
		}
		if err := f.item(item, into); err != nil {
			return err
		}
	}
	return nil
}

// item reads a value, a range or steps.
func (f field) item(item string, into *set) error {
	span, stepText, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		var err error
		if step, err = strconv.Atoi(stepText); err != nil || step < 1 || step > f.max || !digits(stepText) {
			return fmt.Errorf("%s: %q is not a step from 1 to %d", f.name, stepText, f.max)
		}
	}
	from, to := f.min, f.max
	first, last, ranged := strings.Cut(span, "-")
	switch {
	case span == "*", span == "" && stepped:
	case ranged:
		var err error
		if from, err = f.value(first); err != nil {
			return err
		}
		if to, err = f.value(last); err != nil {
			return err
		}
		if from > to && !f.wraps {
			return fmt.Errorf("%s: the range %s ends before it begins", f.name, span)
		}
	default:
		var err error
		if from, err = f.value(span); err != nil {
			return err
		}
		if !stepped {
			to = from
		}
	}
	if from > to {
		to += f.max - f.min + 1
	}
	for n := from; n <= to; n += step {
		into.add((n-f.min)%(f.max-f.min+1) + f.min - f.base())
	}
	return nil
}

// base is subtracted from the values of the field in sets.
func (f field) base() int {
	if f.min == firstYear {
		return firstYear
	}
	return 0
}

// value reads one number or name.
func (f field) value(text string) (int, error) {
	for i, name := range f.names {
		if text == name {
			return f.min + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || !digits(text) || n < f.min || n > f.max {
		return 0, f.outside(text)
	}
	return n, nil
}

func digits(text string) bool { return strings.Trim(text, "0123456789") == "" && text != "" }

// special reads L, L-3, LW and 15W.
func (d *monthDays) special(f field, item string) (bool, error) {
	switch {
	case item == "L":
		d.last.add(0)
	case item == "LW":
		d.lastWeekday = true
	case strings.HasPrefix(item, "L-"):
		n, err := strconv.Atoi(item[2:])
		if err != nil || !digits(item[2:]) || n > 30 {
			return false, fmt.Errorf("%s: %q is not L- with a number of days up to 30", f.name, item)
		}
		d.last.add(n)
	case strings.HasSuffix(item, "W"):
		n, err := f.value(strings.TrimSuffix(item, "W"))
		if err != nil {
			return false, err
		}
		d.nearest.add(n)
	default:
		return false, nil
	}
	return true, nil
}

// special reads L, which is the week's last day, 6L and 6#3.
func (w *weekDays) special(f field, item string) (bool, error) {
	day, nth, hashed := strings.Cut(item, "#")
	switch {
	case item == "L":
		w.listed.add(f.max)
	case hashed:
		n, err := f.value(day)
		if err != nil {
			return false, err
		}
		if len(nth) != 1 || nth[0] < '1' || nth[0] > '5' {
			return false, fmt.Errorf("%s: %q must end with a number from 1 to 5", f.name, item)
		}
		w.nth[nth[0]-'0'].add(n)
	case strings.HasSuffix(item, "L"):
		n, err := f.value(strings.TrimSuffix(item, "L"))
		if err != nil {
			return false, err
		}
		w.last.add(n)
	default:
		return false, nil
	}
	return true, nil
}
