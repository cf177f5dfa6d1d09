package s3

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestManyClients has clients at work at once, over connections that they keep:
// no request fails, every answer is right, and nobody has to connect again.
func TestManyClients(t *testing.T) {
	t.Parallel()
	const clients = 16
	rounds := 66 // of five requests each, over HTTP and HTTPS: more than 10,000
	if testing.Short() {
		rounds = 5
	}
	both(t, func(f *face) {
		f.maxRow = maxRow
		transport := f.server.Client().Transport.(*http.Transport)
		transport.MaxIdleConnsPerHost = clients
		var wg sync.WaitGroup
		for n := range clients {
			wg.Go(func() {
				for round := range rounds {
					if err := f.clientRound(fmt.Sprint("client-", n), round); err != nil {
						f.t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		// The transport opens one more at times than it then needs.
		if n := f.connections.Load(); n > 2*clients {
			f.t.Errorf("%d clients opened %d connections", clients, n)
		}
	})
}

// clientRound puts an object, reads it in each way, and removes it.
func (f *face) clientRound(client string, round int) error {
	ctx, b, key := f.t.Context(), aws.String(bucket), aws.String(fmt.Sprintf("%s/%d", client, round))
	want := strings.Repeat(*key, 1+round*round) // up to 60 KB: rows and blobs
	if _, err := f.client.PutObject(ctx, &sdk.PutObjectInput{Bucket: b, Key: key, Body: strings.NewReader(want)}); err != nil {
		return err
	}
	out, err := f.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: b, Key: key})
	if err != nil {
		return err
	}
	got, err := io.ReadAll(out.Body)
	_ = out.Body.Close()
	if err != nil || string(got) != want {
		return fmt.Errorf("%s: %d bytes in place of %d: %w", *key, len(got), len(want), err)
	}
	if _, err := f.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: b, Key: key}); err != nil {
		return err
	}
	page, err := f.client.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: b, Prefix: aws.String(client + "/")})
	if err != nil {
		return err
	}
	if len(page.Contents) != 1 || *page.Contents[0].Key != *key {
		return fmt.Errorf("%s: listed %+v", *key, page.Contents)
	}
	_, err = f.client.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: b, Key: key})
	return err
}
