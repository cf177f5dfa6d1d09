package pipeline

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// DeriveID mints an id from the entropy of an event and a label that tells the
// ids of one event apart. The same arguments always give the same id, so that
// replaying an event mints nothing new. It is a lower-case version 4 UUID; from
// the text of a version 7 UUID it is one too, of the same millisecond, so that a
// database stores side by side what was minted at one time.
func DeriveID(entropy []byte, label string) string {
	sum := derive(entropy, label)
	version := byte(0x40)
	if len(entropy) == 36 && entropy[14] == '7' && decodeTime(sum[:6], entropy) {
		version = 0x70
	}
	sum[6] = sum[6]&0x0f | version
	sum[8] = sum[8]&0x3f | 0x80
	var id [36]byte
	hex.Encode(id[0:8], sum[0:4])
	hex.Encode(id[9:13], sum[4:6])
	hex.Encode(id[14:18], sum[6:8])
	hex.Encode(id[19:23], sum[8:10])
	hex.Encode(id[24:36], sum[10:16])
	id[8], id[13], id[18], id[23] = '-', '-', '-', '-'
	return string(id[:])
}

// decodeTime reads the first six bytes of a UUID, and leaves them alone when they
// are none.
func decodeTime(time, uuid []byte) bool {
	var read [6]byte
	if _, err := hex.Decode(read[:4], uuid[0:8]); err != nil {
		return false
	}
	if _, err := hex.Decode(read[4:], uuid[9:13]); err != nil {
		return false
	}
	copy(time, read[:])
	return true
}

// derive hashes entropy and label; the length in front keeps two splits of the
// same bytes apart.
func derive(entropy []byte, label string) [sha256.Size]byte {
	message := make([]byte, 8, 8+len(entropy)+len(label))
	binary.BigEndian.PutUint64(message, uint64(len(entropy)))
	message = append(message, entropy...)
	message = append(message, label...)
	return sha256.Sum256(message)
}
