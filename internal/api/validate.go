package api

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// StringRule is the constraint of a string shape.
type StringRule struct {
	// Shape is the name by which Limits may replace Max.
	Shape string
	// Min is the least length in characters.
	Min int
	// Max is the greatest length in characters; zero is no maximum.
	Max int
	// Pattern must match the whole value; nil is no pattern.
	Pattern *Pattern
}

// Size is the constraint on the number of elements of a list or map.
type Size struct {
	// Min is the least number.
	Min int
	// Max is the greatest number; zero is no maximum.
	Max int
}

// Range is the constraint of a number, both ends included.
type Range struct {
	Min, Max int64
}

func atLeast(n int) string {
	return "Member must have length greater than or equal to " + strconv.Itoa(n)
}

func atMost(n int) string {
	return "Member must have length less than or equal to " + strconv.Itoa(n)
}

func matches(p *Pattern) string {
	return "Member must satisfy regular expression pattern: " + p.String()
}

// under returns the rule as the limits of a server have it.
func (r StringRule) under(limits Limits) StringRule {
	if limit, ok := limits[r.Shape]; ok {
		r.Max = limit
	}
	return r
}

// violated returns the sentences that s violates: a length, then the pattern.
func (r StringRule) violated(s string) []string {
	var out []string
	// A character has one to four bytes, so few strings need counting.
	if len(s) < r.Min*utf8.UTFMax && utf8.RuneCountInString(s) < r.Min {
		out = append(out, atLeast(r.Min))
	}
	if r.Max > 0 && len(s) > r.Max && utf8.RuneCountInString(s) > r.Max {
		out = append(out, atMost(r.Max))
	}
	if r.Pattern != nil && !r.Pattern.Match(s) {
		out = append(out, matches(r.Pattern))
	}
	return out
}

// sentences lists all the rule asks for, the way the service prints the
// constraint of a list's items or a map's keys and values: maximum first.
func (r StringRule) sentences() string {
	var out []string
	if r.Max > 0 {
		out = append(out, atMost(r.Max))
	}
	if r.Min > 0 {
		out = append(out, atLeast(r.Min))
	}
	if r.Pattern != nil {
		out = append(out, matches(r.Pattern))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func (c *Checker) size(name string, n int, size Size) {
	if n < size.Min {
		c.fail(name, atLeast(size.Min))
	}
	if size.Max > 0 && n > size.Max {
		c.fail(name, atMost(size.Max))
	}
}

// String checks a string member.
func (c *Checker) String(name string, v *string, p Presence, rule StringRule) {
	if c.absent(name, v == nil, p) {
		return
	}
	for _, sentence := range rule.under(c.limits).violated(*v) {
		c.fail(name, sentence)
	}
}

// Strings checks a list of strings. All its bad items are one violation, of
// the list.
func (c *Checker) Strings(name string, list []string, p Presence, size Size, item StringRule) {
	if c.absent(name, list == nil, p) {
		return
	}
	c.size(name, len(list), size)
	item = item.under(c.limits)
	if slices.ContainsFunc(list, func(s string) bool { return item.violated(s) != nil }) {
		c.fail(name, "Member must satisfy constraint: "+item.sentences())
	}
}

// StringMap checks a map of strings to strings. All its bad keys are one
// violation, of the map, and all its bad values another.
func (c *Checker) StringMap(name string, m map[string]string, p Presence, size Size, key, value StringRule) {
	if c.absent(name, m == nil, p) {
		return
	}
	c.size(name, len(m), size)
	key, value = key.under(c.limits), value.under(c.limits)
	badKey, badValue := false, false
	for k, v := range m {
		badKey = badKey || key.violated(k) != nil
		badValue = badValue || value.violated(v) != nil
	}
	if badKey {
		c.fail(name, "Map keys must satisfy constraint: "+key.sentences())
	}
	if badValue {
		c.fail(name, "Map value must satisfy constraint: "+value.sentences())
	}
}

// CheckNumber checks a number member.
func CheckNumber[N int32 | int64](c *Checker, name string, v *N, p Presence, r Range) {
	if c.absent(name, v == nil, p) {
		return
	}
	if int64(*v) < r.Min {
		c.fail(name, fmt.Sprintf("Member must have value greater than or equal to %d", r.Min))
	}
	if int64(*v) > r.Max {
		c.fail(name, fmt.Sprintf("Member must have value less than or equal to %d", r.Max))
	}
}

// Enum is a generated string type with a closed set of values.
type Enum[E any] interface {
	~string
	// Values lists the values in model order.
	Values() []E
}

func valueSet[E Enum[E]](values []E) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	// The one recorded message of this kind, [All, Latest], is not in model
	// order but in alphabetical order.
	slices.Sort(texts)
	return "Member must satisfy enum value set: [" + strings.Join(texts, ", ") + "]"
}

// CheckEnum checks an enum member; the empty string is an absent one.
func CheckEnum[E interface {
	comparable
	Enum[E]
}](c *Checker, name string, v E, p Presence) {
	if c.absent(name, v == "", p) {
		return
	}
	if values := v.Values(); !slices.Contains(values, v) {
		c.fail(name, valueSet(values))
	}
}

// CheckEnums checks a list of enum values. All its bad items are one
// violation, of the list.
func CheckEnums[E interface {
	comparable
	Enum[E]
}](c *Checker, name string, list []E, p Presence, size Size) {
	if c.absent(name, list == nil, p) {
		return
	}
	c.size(name, len(list), size)
	var zero E
	values := zero.Values()
	if slices.ContainsFunc(list, func(v E) bool { return !slices.Contains(values, v) }) {
		c.fail(name, "Member must satisfy constraint: ["+valueSet(values)+"]")
	}
}

// CheckStruct checks a structure member and what is in it.
func CheckStruct[T any](c *Checker, name string, v *T, p Presence, check func(*T, *Checker)) {
	if c.absent(name, v == nil, p) {
		return
	}
	c.enter(segment{name: name})
	check(v, c)
	c.leave()
}

// CheckSize checks a list whose items have no constraints of their own.
func CheckSize[T any](c *Checker, name string, list []T, p Presence, size Size) {
	if !c.absent(name, list == nil, p) {
		c.size(name, len(list), size)
	}
}

// CheckStructs checks a list of structures and what is in them.
func CheckStructs[T any](c *Checker, name string, list []T, p Presence, size Size, check func(*T, *Checker)) {
	CheckSize(c, name, list, p, size)
	for i := range list {
		c.enter(segment{name: name, index: i + 1})
		check(&list[i], c)
		c.leave()
	}
}

// CheckStructMap checks a map of strings to structures and what is in them, in
// the order of the keys.
func CheckStructMap[T any](c *Checker, name string, m map[string]T, p Presence, size Size, key StringRule, check func(*T, *Checker)) {
	if c.absent(name, m == nil, p) {
		return
	}
	c.size(name, len(m), size)
	keys := slices.Sorted(maps.Keys(m))
	key = key.under(c.limits)
	if slices.ContainsFunc(keys, func(k string) bool { return key.violated(k) != nil }) {
		c.fail(name, "Map keys must satisfy constraint: "+key.sentences())
	}
	for _, k := range keys {
		c.enter(segment{name: name, key: k, keyed: true})
		v := m[k]
		check(&v, c)
		c.leave()
	}
}
