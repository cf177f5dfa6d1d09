package rule

import "time"

// onDate reports whether the expression holds in some minute of the date, as far
// as the date says. The date is a day in UTC.
func (c *cron) onDate(date time.Time) bool {
	return c.years.has(date.Year()-firstYear) && c.months.has(int(date.Month())) && c.days.has(date) && c.week.has(date)
}

func (d *monthDays) has(date time.Time) bool {
	day, last := date.Day(), daysIn(date)
	if d.any || d.listed.has(day) || d.last.has(last-day) {
		return true
	}
	if weekend(date) {
		return false
	}
	for n := 1; n <= last && d.nearest != (set{}); n++ {
		if d.nearest.has(n) && nearestWeekday(date, n, last) == day {
			return true
		}
	}
	return d.lastWeekday && nearestWeekday(date, last, last) == day
}

func daysIn(date time.Time) int {
	return time.Date(date.Year(), date.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func weekend(date time.Time) bool {
	return date.Weekday() == time.Saturday || date.Weekday() == time.Sunday
}

// nearestWeekday is the weekday nearest to a day of the date's month, inside
// that month. A month that does not have the day has none.
func nearestWeekday(date time.Time, day, last int) int {
	switch date.AddDate(0, 0, day-date.Day()).Weekday() {
	case time.Saturday:
		if day == 1 {
			return 3
		}
		return day - 1
	case time.Sunday:
		if day == last {
			return day - 2
		}
		return day + 1
	}
	return day
}

func (w *weekDays) has(date time.Time) bool {
	day, week := date.Day(), int(date.Weekday())+1
	return w.any || w.listed.has(week) || w.last.has(week) && day+7 > daysIn(date) || w.nth[(day+6)/7].has(week)
}

// open reports whether the window is open at a moment: whether the clocks of the
// place show a minute of the expression.
func (c *cron) open(t time.Time, place *time.Location) bool {
	t = t.In(place)
	return c.minutes.has(t.Minute()) && c.hours.has(t.Hour()) && c.onDate(dateOf(t))
}

func dateOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// opens is the first moment, not before t, at which the window is open; false if
// it never is again. A minute that the clocks skip does not open the window; one
// that they show twice opens it twice.
func (c *cron) opens(t time.Time, place *time.Location) (time.Time, bool) {
	if c.open(t, place) {
		return t, true
	}
	for date := dateOf(t.In(place)); date.Year() <= lastYear; date = date.AddDate(0, 0, 1) {
		switch {
		case !c.years.has(date.Year() - firstYear):
			date = time.Date(date.Year(), time.December, 31, 0, 0, 0, 0, time.UTC)
		case !c.months.has(int(date.Month())):
			date = time.Date(date.Year(), date.Month(), daysIn(date), 0, 0, 0, 0, time.UTC)
		case c.onDate(date):
			if at, ok := c.opensOn(date, t, place); ok {
				return at, true
			}
		}
	}
	return time.Time{}, false
}

// opensOn is opens for one date. Where clocks change, a date can begin later
// than at midnight, or twice, so all moments that can belong to it are tried.
func (c *cron) opensOn(date, t time.Time, place *time.Location) (time.Time, bool) {
	const change = 3 * time.Hour
	begin := time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, place).Add(-change)
	end := time.Date(date.Year(), date.Month(), date.Day()+1, 0, 0, 0, 0, place).Add(change)
	if begin.Before(t) {
		begin = t.Truncate(time.Minute).Add(time.Minute)
	}
	for at := begin; at.Before(end); at = at.Add(time.Minute) {
		if c.open(at, place) {
			return at, true
		}
	}
	return time.Time{}, false
}
