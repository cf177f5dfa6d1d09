// Package deploy has the providers that deploy. S3 copies an artifact, or the
// files in it, to a bucket.
package deploy
