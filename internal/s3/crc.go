package s3

import (
	"encoding/binary"
	"hash/crc32"
)

// crc64NVME is the reflected polynomial of CRC-64/NVME.
const crc64NVME = 0x9a6c9329ac4bc9b5

// joinCRC returns the CRC of two contents in a row, given the big-endian CRC of
// each and the size of the second.
func joinCRC(algorithm string, first, second []byte, size int64) []byte {
	if algorithm == "CRC64NVME" {
		sum := shiftCRC(crc64NVME, 64, binary.BigEndian.Uint64(first), size) ^ binary.BigEndian.Uint64(second)
		return binary.BigEndian.AppendUint64(nil, sum)
	}
	polynomial := uint64(crc32.IEEE)
	if algorithm == "CRC32C" {
		polynomial = crc32.Castagnoli
	}
	sum := uint32(shiftCRC(polynomial, 32, uint64(binary.BigEndian.Uint32(first)), size)) ^ binary.BigEndian.Uint32(second)
	return binary.BigEndian.AppendUint32(nil, sum)
}

// shiftCRC returns what is left of a reflected CRC of the given width after size
// more bytes of zeros. One zero bit is a linear map of the bits of the CRC, a
// matrix; its powers of two, of which size is made, are got by squaring.
func shiftCRC(polynomial uint64, width int, crc uint64, size int64) uint64 {
	matrix := make([]uint64, width)
	matrix[0] = polynomial
	for i := 1; i < width; i++ {
		matrix[i] = 1 << (i - 1)
	}
	for range 3 { // from one bit to eight
		matrix = square(matrix)
	}
	for ; size > 0; size >>= 1 {
		if size&1 == 1 {
			crc = times(matrix, crc)
		}
		matrix = square(matrix)
	}
	return crc
}

func times(matrix []uint64, vector uint64) (sum uint64) {
	for i := 0; vector != 0; i, vector = i+1, vector>>1 {
		if vector&1 == 1 {
			sum ^= matrix[i]
		}
	}
	return sum
}

func square(matrix []uint64) []uint64 {
	result := make([]uint64, len(matrix))
	for i, column := range matrix {
		result[i] = times(matrix, column)
	}
	return result
}
