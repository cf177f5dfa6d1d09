package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGreeting(t *testing.T) {
	for name, want := range map[string]string{
		"":         "Hello!",
		"  ":       "Hello!",
		"Ada":      "Hello, Ada!",
		" Grace  ": "Hello, Grace!",
	} {
		if got := greeting(name); got != want {
			t.Errorf("greeting(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestRoutes(t *testing.T) {
	handler := newHandler("1.2.3")
	for _, tc := range []struct {
		target string
		status int
		body   string
	}{
		{"/", http.StatusSeeOther, ""},
		{"/static/", http.StatusOK, "<h1>webapp</h1>"},
		{"/hello/Ada", http.StatusOK, "Hello, Ada!\n"},
		{"/version", http.StatusOK, `{"version":"1.2.3"}`},
		{"/nowhere", http.StatusNotFound, ""},
	} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, tc.target, nil))
		if answer.Code != tc.status || !strings.Contains(answer.Body.String(), tc.body) {
			t.Errorf("GET %s: status %d, body %q; want %d and %q", tc.target, answer.Code, answer.Body, tc.status, tc.body)
		}
	}
}
