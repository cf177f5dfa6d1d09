package sigv4test

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// Moto starts moto_server, another implementation of AWS, for the time of a test and
// returns its URL. It skips a test on a machine without it.
func Moto(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("moto_server is not installed")
	}
	command := exec.CommandContext(t.Context(), program, "-H", "127.0.0.1", "-p", "0")
	read, write := io.Pipe()
	command.Stdout, command.Stderr = write, write
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		err := command.Wait()
		_ = write.CloseWithError(io.EOF)
		ended <- err
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
	})
	listens := regexp.MustCompile(`http://127\.0\.0\.1:[1-9]\d*`)
	url := ""
	lines := bufio.NewScanner(read)
	var said strings.Builder
	for url == "" && lines.Scan() {
		url = listens.FindString(lines.Text())
		fmt.Fprintln(&said, lines.Text())
	}
	if url == "" {
		t.Fatalf("the installed moto_server does not start: %v\n%s", lines.Err(), said.String())
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	return url
}
