package pipeline

import (
	"encoding/binary"
	"strings"
)

// The parts of an artifact key are cut, so that session policies that name many
// keys stay small (reference: actions.md 1.3).
const (
	keyPipelineLength = 20
	keyArtifactLength = 10
	keySuffixLength   = 7
)

// ArtifactKey is the object key of an artifact: the pipeline's name cut to 20
// characters, the artifact's name cut to 10, a suffix that ArtifactSuffix made,
// and an extension with or without its dot, which may be empty.
func ArtifactKey(pipeline, artifact, suffix7, ext string) string {
	if ext != "" && !strings.HasPrefix(ext, ".") {
		ext = "." + ext
	}
	return cut(pipeline, keyPipelineLength) + "/" + cut(artifact, keyArtifactLength) + "/" + suffix7 + ext
}

// cut shortens a name; names are ASCII.
func cut(name string, length int) string {
	return name[:min(len(name), length)]
}

// ArtifactSuffix is the random-looking end of an artifact key, seven letters
// and digits. The same entropy gives the same suffix.
func ArtifactSuffix(entropy []byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	sum := derive(entropy, "artifact")
	// 62^7 is below 2^42, so the remainders of 64 bits are as good as even.
	n := binary.BigEndian.Uint64(sum[:8])
	var suffix [keySuffixLength]byte
	for i := range suffix {
		suffix[i] = alphabet[n%uint64(len(alphabet))]
		n /= uint64(len(alphabet))
	}
	return string(suffix[:])
}
