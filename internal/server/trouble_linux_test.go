package server_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/penstock-cd/penstock/internal/server"
)

// smallDisk mounts a file system of a few MiB.
func smallDisk(t *testing.T, flags uintptr) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", flags, "size=12m")
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skipf("this machine lets the test mount nothing: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk writes a file until nothing more fits.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 1; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// TestReadOnlyDisk: a server that can write nothing says so and does not start.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, syscall.MS_RDONLY)
	for _, data := range []string{dir, filepath.Join(dir, "new")} {
		s, err := server.Start(t.Context(), server.Config{Listen: "127.0.0.1:0", Data: data}, server.Options{})
		if err == nil {
			s.Close(t.Context())
			t.Fatal("the server started")
		}
		if !strings.Contains(err.Error(), "read-only") || !strings.Contains(err.Error(), dir) {
			t.Errorf("error %q does not say what is wrong with %s", err, dir)
		}
	}
}

// TestFullDisk: while the disk is full changes are refused in words and reads go
// on; with room again everything goes on, and what was accepted is there.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 0)
	b := newBed(t, func(c *server.Config) { c.Data = filepath.Join(dir, "data") })
	b.bucket("upload")
	first := b.create(declare("demo", pulseStage(), reviewStage(nil)))
	token := b.token("demo", first)
	filler := filepath.Join(dir, "filler")
	fillDisk(t, filler)

	refused := 0
	for range 200 { // some still fit into what the database's files have left
		_, err := b.cp.StartPipelineExecution(t.Context(), &cp.StartPipelineExecutionInput{Name: aws.String("demo")})
		if err == nil {
			continue
		}
		refused++
		e, ok := errors.AsType[smithy.APIError](err)
		if !ok || e.ErrorCode() != "ServiceUnavailableException" || e.ErrorMessage() != "The server has no space left on its disk." {
			t.Fatalf("on a full disk: %v", err)
		}
		if refused == 3 {
			break
		}
	}
	if refused == 0 {
		t.Fatal("nothing was refused on a full disk")
	}
	_, err := b.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("upload"), Key: aws.String("large"), Body: strings.NewReader(strings.Repeat("x", 1<<20))})
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "InsufficientStorage" {
		t.Errorf("an upload to a full disk: %v", err)
	}
	if x := b.execution("demo", first); x.Status != types.PipelineExecutionStatusInProgress {
		t.Errorf("the first execution is %s", x.Status)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	second := b.run(&cp.StartPipelineExecutionInput{Name: aws.String("demo")})
	_, err = b.answer("demo", token, types.ApprovalStatusApproved, "fine")
	b.must(err)
	b.await("demo", first, types.PipelineExecutionStatusSucceeded)
	b.approve("demo", second)
	b.await("demo", second, types.PipelineExecutionStatusSucceeded)
	b.restart()
	for _, id := range []string{first, second} {
		b.await("demo", id, types.PipelineExecutionStatusSucceeded)
	}
	version := b.put("upload", "large", "fits now")
	_, content, err := b.Buckets().GetObject(t.Context(), "upload", "large", version)
	b.must(err)
	defer content.Close()
	if text, err := io.ReadAll(content); err != nil || string(text) != "fits now" {
		t.Errorf("the object is %q, %v", text, err)
	}
}
