package build

import (
	"bytes"
	"testing"
)

// demuxPieces passes text through a demux in pieces.
func demuxPieces(t *testing.T, text []byte, size int) (shown string, results []string) {
	t.Helper()
	var out bytes.Buffer
	d := newDemux(&out, "MARK")
	for len(text) > 0 {
		n := min(size, len(text))
		if _, err := d.Write(text[:n]); err != nil {
			t.Fatal(err)
		}
		text = text[n:]
		select {
		case r := <-d.results:
			results = append(results, r)
		default:
		}
	}
	return out.String() + string(d.held), results
}

func TestDemux(t *testing.T) {
	t.Parallel()
	const text = "one\n\x00MARK 0\ntwo\x00three\x00MA\x00MARK 17\n\x00\x00MARK 2\nend"
	for size := 1; size <= len(text); size++ {
		shown, results := demuxPieces(t, []byte(text), size)
		if want := "one\ntwo\x00three\x00MA\x00end"; shown != want {
			t.Errorf("in pieces of %d: shown %q, want %q", size, shown, want)
		}
		if size == 1 && (len(results) != 3 || results[0] != "0" || results[1] != "17" || results[2] != "2") {
			t.Errorf("results %q", results)
		}
	}
}

func TestDemuxResultNobodyAskedFor(t *testing.T) {
	t.Parallel()
	d := newDemux(&bytes.Buffer{}, "MARK")
	if _, err := d.Write([]byte("\x00MARK 0\n\x00MARK 1\n\x00MARK 2\n")); err != nil {
		t.Fatal(err)
	}
	if got := <-d.results; got != "0" {
		t.Errorf("got %q", got)
	}
	if _, err := d.Write(append([]byte("\x00MARK "), bytes.Repeat([]byte("9"), 100)...)); err == nil {
		t.Error("an endless result was taken")
	}
}

func FuzzDemux(f *testing.F) {
	f.Add([]byte("one\n\x00MARK 0\ntwo\x00MA"), 3)
	f.Add([]byte("\x00\x00MARK 1\n"), 1)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		if size < 1 || size > 1<<16 {
			size = 1
		}
		var out bytes.Buffer
		d := newDemux(&out, "MARK")
		if _, err := d.Write(text); err != nil {
			return // a result too long to be one
		}
		whole := out.String() + string(d.held)
		if pieces, _ := demuxPieces(t, text, size); pieces != whole {
			t.Errorf("in pieces %q, whole %q", pieces, whole)
		}
	})
}
