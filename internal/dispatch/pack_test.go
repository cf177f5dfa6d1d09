package dispatch

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// packedSamples are rows as dispatch writes them, and texts that packing must not
// harm.
func packedSamples(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/history.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return append(strings.Split(strings.TrimSpace(string(text)), "\n"),
		``, `{`, `[]`, `{}`, `""`, `null`, `7`, "\x01", "{\x00}", "{\n}", `{"a":"\"x\"","b":"say \"hello\" twice"}`,
		`[1795370374399,1795370374398,17953703743980,9999999999999,1000000000000]`,
		`["01A20469-D4F6-7B10-9F52-88451A50B01D","01a20469-d4f6-7b10-9f52-88451a50b01d","01a20469-d4f6-7b10-9f52-88451a50b01d"]`,
		`["01a20469-d4f6-7b10-9f52-88451a50b01z","über die Brücke","über die Brücke",",,,,",",,,,",":{:{",":{:{"]`,
		"[\""+strings.Repeat("long ", 100)+"\"]", `{"":"","abc":"","abc":"abc"}`, `{"format":1,"part":`, `","stage":"`,
	)
}

func TestPackKeepsEverything(t *testing.T) {
	t.Parallel()
	for _, text := range packedSamples(t) {
		got, err := unpack(pack(text))
		if text == "\x01" { // no JSON, and no packed text
			continue
		}
		if err != nil || got != text {
			t.Errorf("unpacked as %q, %v\nwant %q", got, err, text)
		}
	}
}

// History is a third of what it was, or less.
func TestPackIsSmall(t *testing.T) {
	t.Parallel()
	before, after := 0, 0
	for _, text := range packedSamples(t) {
		if strings.HasPrefix(text, `{"format"`) {
			before += len(text)
			after += len(pack(text))
		}
	}
	if after*3 > before {
		t.Errorf("%d bytes are packed into %d", before, after)
	}
	if len(fragments) > maxFragments {
		t.Errorf("%d fragments, there are codes for %d", len(fragments), maxFragments)
	}
}

// What once was packed can be read by every later release: no fragment may
// change, move or go.
func TestUnpackOldRows(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/packed.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct{ Packed, Text string }
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	covered := map[string]bool{}
	for _, row := range rows {
		if got, err := unpack(row.Packed); err != nil || got != row.Text {
			t.Errorf("unpacked as %q, %v\nwant %q", got, err, row.Text)
		}
		covered[row.Text] = true
	}
	for _, f := range fragments {
		if !covered[f] {
			t.Errorf("testdata/packed.json does not pin the fragment %s", f)
		}
	}
}

func FuzzPack(f *testing.F) {
	for _, text := range packedSamples(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := pack(text)
		if strings.ContainsRune(p, 0) && !strings.ContainsRune(text, 0) {
			t.Fatalf("%q is packed with a NUL: %q", text, p)
		}
		if strings.HasPrefix(text, string(packed)) {
			unpack(text) // must not panic
			return
		}
		got, err := unpack(p)
		if err != nil || got != text {
			t.Fatalf("%q is packed as %q and unpacked as %q, %v", text, p, got, err)
		}
	})
}

func TestUnpackDamaged(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"\x01\x02short", "\x01\x02!!!!!!!!!!!!!!!!!!!!!!", "\x01\x03", "\x01\x03 ", "\x01\x04", "\x01\x04@", "\x01\x04\x7f",
		"\x01\x06", "\x01\x06\x7f", "\x01\x07", "\x01\x01", "\x01\x00",
	} {
		if got, err := unpack(text); err == nil {
			t.Errorf("%q is unpacked as %q, want an error", text, got)
		}
	}
}

func BenchmarkPack(b *testing.B) {
	var rows []string
	for _, text := range packedSamples(b) {
		if strings.HasPrefix(text, `{"format"`) {
			rows = append(rows, text)
		}
	}
	b.Run("pack", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			pack(rows[i%len(rows)])
		}
	})
	b.Run("unpack", func(b *testing.B) {
		for i, row := range rows {
			rows[i] = pack(row)
		}
		for i := 0; b.Loop(); i++ {
			if _, err := unpack(rows[i%len(rows)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
