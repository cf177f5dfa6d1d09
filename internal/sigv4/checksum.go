package sigv4

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strings"
)

// ChecksumPrefix begins the names of the headers and trailers that carry a
// checksum of an S3 object; the algorithm follows.
const ChecksumPrefix = "x-amz-checksum-"

// crc64NVME is the reflected polynomial of CRC-64/NVME.
const crc64NVME = 0x9a6c9329ac4bc9b5

// NewChecksum returns the hash of a checksum header or trailer, such as
// "x-amz-checksum-crc32c", or false if the algorithm is not known. The value on
// the wire is the base64 of its big-endian sum.
func NewChecksum(name string) (hash.Hash, bool) {
	algorithm, ok := strings.CutPrefix(strings.ToLower(name), ChecksumPrefix)
	if !ok {
		return nil, false
	}
	switch algorithm {
	case "crc32":
		return crc32.NewIEEE(), true
	case "crc32c":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli)), true
	case "crc64nvme":
		return crc64.New(crc64.MakeTable(crc64NVME)), true
	case "md5":
		return md5.New(), true
	case "sha1":
		return sha1.New(), true
	case "sha256":
		return sha256.New(), true
	case "sha512":
		return sha512.New(), true
	}
	return nil, false
}

// isChecksum tells a checksum from the settings that share its prefix.
func isChecksum(name string) bool {
	algorithm, ok := strings.CutPrefix(strings.ToLower(name), ChecksumPrefix)
	return ok && algorithm != "mode" && algorithm != "type" && algorithm != "algorithm"
}
