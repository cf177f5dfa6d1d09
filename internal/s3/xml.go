package s3

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"strconv"
	"time"
)

const xmlNamespace = "http://s3.amazonaws.com/doc/2006-03-01/"

type errorAnswer struct {
	XMLName   xml.Name `xml:"Error"`
	Code      string
	Message   string
	Details   []xmlDetail
	Resource  string
	RequestID string `xml:"RequestId"`
}

type xmlDetail struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

type ownerXML struct {
	ID string
}

// ownerOf is the canonical user id of an account: a digest, as with AWS.
func ownerOf(account string) *ownerXML {
	sum := sha256.Sum256([]byte("canonical user of account " + account))
	return &ownerXML{ID: hex.EncodeToString(sum[:])}
}

type locationAnswer struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
	Region  string   `xml:",chardata"`
}

type versioningXML struct {
	XMLName   xml.Name `xml:"VersioningConfiguration"`
	Namespace string   `xml:"xmlns,attr,omitempty"`
	Status    string   `xml:",omitempty"`
	MFADelete string   `xml:"MfaDelete,omitempty"`
}

type createBucketXML struct {
	XMLName  xml.Name `xml:"CreateBucketConfiguration"`
	Region   string   `xml:"LocationConstraint"`
	Location *struct{}
	Bucket   *struct{}
	Tags     *struct{}
}

type bucketsAnswer struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Owner   *ownerXML
	Buckets []bucketXML `xml:"Buckets>Bucket"`
	Prefix  string      `xml:",omitempty"`
	Next    string      `xml:"ContinuationToken,omitempty"`
}

type bucketXML struct {
	Name    string
	Created string `xml:"CreationDate"`
	Region  string `xml:"BucketRegion"`
}

type objectsAnswer struct {
	XMLName     xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name        string
	Prefix      string
	Marker      *string
	NextMarker  string `xml:",omitempty"`
	StartAfter  string `xml:",omitempty"`
	Token       string `xml:"ContinuationToken,omitempty"`
	Next        string `xml:"NextContinuationToken,omitempty"`
	KeyCount    *int
	MaxKeys     int
	Delimiter   string `xml:",omitempty"`
	Encoding    string `xml:"EncodingType,omitempty"`
	IsTruncated bool
	Contents    []objectXML
	Prefixes    []prefixXML `xml:"CommonPrefixes"`
}

type objectXML struct {
	Key               string
	LastModified      string
	ETag              string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              int64
	StorageClass      string
	Owner             *ownerXML
}

type prefixXML struct {
	Prefix string
}

// checksumXML holds a checksum in an element named after its algorithm.
type checksumXML struct {
	CRC32     string `xml:"ChecksumCRC32,omitempty"`
	CRC32C    string `xml:"ChecksumCRC32C,omitempty"`
	CRC64NVME string `xml:"ChecksumCRC64NVME,omitempty"`
	SHA1      string `xml:"ChecksumSHA1,omitempty"`
	SHA256    string `xml:"ChecksumSHA256,omitempty"`
}

// of returns the element of an algorithm, nil for one without.
func (x *checksumXML) of(algorithm string) *string {
	return map[string]*string{
		"CRC32": &x.CRC32, "CRC32C": &x.CRC32C, "CRC64NVME": &x.CRC64NVME, "SHA1": &x.SHA1, "SHA256": &x.SHA256,
	}[algorithm]
}

func checksumElement(c Checksum) (x checksumXML) {
	if value := x.of(c.Algorithm); value != nil {
		*value = c.Value
	}
	return x
}

// xmlTime is a time as S3 writes it into XML.
func xmlTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// xml answers with a document.
func (c *call) xml(status int, document any) {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	if err := xml.NewEncoder(&b).Encode(document); err != nil {
		c.h.logger.Error("s3 answer cannot be encoded", "request_id", c.id, "error", err)
		c.w.WriteHeader(http.StatusInternalServerError)
		return
	}
	header := c.w.Header()
	header.Set("Content-Type", "application/xml")
	header.Set("Content-Length", strconv.Itoa(b.Len()))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(b.Bytes()) // the client has gone: nobody to tell
}
