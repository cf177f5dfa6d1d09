package iam

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// parser reads a value of a condition for one operator. It tells the keys of
// the variables that it finds.
type parser func(text string, note func(key string)) (comparison, error)

// operators are the condition operators by their names in lower case, each
// without "not" as well as with it: condition turns the answer round. Variables
// stand in the values of string and ARN operators only.
func operators(s syntax) map[string]parser {
	m := map[string]parser{}
	pair := func(is, isNot string, p parser) { m[is], m[isNot] = p, p }
	pair("stringequals", "stringnotequals", stringParser(s, func(want, got string) bool { return want == got }))
	pair("stringequalsignorecase", "stringnotequalsignorecase", stringParser(s, strings.EqualFold))
	pair("stringlike", "stringnotlike", likeParser(s))
	pair("arnequals", "arnnotequals", arnParser(s))
	pair("arnlike", "arnnotlike", arnParser(s))
	pair("ipaddress", "notipaddress", parseAddress)
	m["bool"] = parseBool
	orders := map[string]func(order int) bool{
		"equals":            func(o int) bool { return o == 0 },
		"notequals":         func(o int) bool { return o == 0 },
		"lessthan":          func(o int) bool { return o < 0 },
		"lessthanequals":    func(o int) bool { return o <= 0 },
		"greaterthan":       func(o int) bool { return o > 0 },
		"greaterthanequals": func(o int) bool { return o >= 0 },
	}
	for name, holds := range orders {
		m["numeric"+name] = orderParser(parseNumber, holds)
		m["date"+name] = orderParser(parseDate, holds)
	}
	return m
}

func stringParser(s syntax, same func(want, got string) bool) parser {
	s.wildcards = false
	return func(text string, note func(string)) (comparison, error) {
		p, err := parsePattern(text, s)
		if err != nil {
			return nil, err
		}
		p.keys(note)
		return func(f facts, got string) bool {
			want, ok := p.text(f)
			return ok && same(want, got)
		}, nil
	}
}

func likeParser(s syntax) parser {
	s.wildcards = true
	return func(text string, note func(string)) (comparison, error) {
		p, err := parsePattern(text, s)
		if err != nil {
			return nil, err
		}
		p.keys(note)
		return func(f facts, got string) bool { return p.match(f, got, 0) }, nil
	}
}

func arnParser(s syntax) parser {
	return func(text string, note func(string)) (comparison, error) {
		a, err := parseARNPattern(text, s)
		if err != nil {
			return nil, err
		}
		a.keys(note)
		return a.match, nil
	}
}

func parseBool(text string, _ func(string)) (comparison, error) {
	if !strings.EqualFold(text, "true") && !strings.EqualFold(text, "false") {
		return nil, fmt.Errorf(`%q is neither "true" nor "false"`, text)
	}
	return func(_ facts, got string) bool { return strings.EqualFold(text, got) }, nil
}

// parseAddress reads an address or a range of addresses in CIDR form.
func parseAddress(text string, _ func(string)) (comparison, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return nil, fmt.Errorf("%q is neither an IP address nor a range such as 203.0.113.0/24", text)
		}
		prefix = netip.PrefixFrom(address, address.BitLen())
	}
	return func(_ facts, got string) bool {
		address, err := netip.ParseAddr(got)
		return err == nil && prefix.Contains(address.Unmap().WithZone(""))
	}, nil
}

// orderParser is for operators that compare numbers or times. A value of the
// request that is neither fits nothing.
func orderParser[T cmp.Ordered](parse func(string) (T, error), holds func(order int) bool) parser {
	return func(text string, _ func(string)) (comparison, error) {
		want, err := parse(text)
		if err != nil {
			return nil, err
		}
		return func(_ facts, got string) bool {
			value, err := parse(got)
			return err == nil && holds(cmp.Compare(value, want))
		}, nil
	}
}

var numberPattern = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func parseNumber(text string) (float64, error) {
	if !numberPattern.MatchString(text) {
		return 0, fmt.Errorf("%q is no number", text)
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is out of range", text)
	}
	return n, nil
}

var epochPattern = regexp.MustCompile(`^[0-9]{5,12}$`)

// parseDate reads a time as the W3C profile of ISO 8601 writes it, or as
// seconds since 1970, into nanoseconds.
func parseDate(text string) (int64, error) {
	if epochPattern.MatchString(text) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err == nil && n < 1<<33 {
			return n * int64(time.Second), nil
		}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006"} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() > 1677 && t.Year() < 2262 {
			return t.UnixNano(), nil
		}
	}
	return 0, fmt.Errorf("%q is no time such as 2026-01-31T12:00:00Z or seconds since 1970", text)
}
