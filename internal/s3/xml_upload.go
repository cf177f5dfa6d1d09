package s3

import "encoding/xml"

type createUploadAnswer struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
	Bucket   string
	Key      string
	UploadID string `xml:"UploadId"`
}

type completeXML struct {
	XMLName xml.Name `xml:"CompleteMultipartUpload"`
	Parts   []struct {
		PartNumber int
		ETag       string
		checksumXML
	} `xml:"Part"`
}

type completeAnswer struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
	Location string
	Bucket   string
	Key      string
	ETag     string
	checksumXML
	ChecksumType string `xml:",omitempty"`
}

// copyAnswer is that of CopyObject or UploadPartCopy.
type copyAnswer struct {
	XMLName      xml.Name
	Namespace    string `xml:"xmlns,attr"`
	LastModified string
	ETag         string
	checksumXML
	ChecksumType string `xml:",omitempty"`
}

type partsAnswer struct {
	XMLName           xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
	Bucket            string
	Key               string
	UploadID          string `xml:"UploadId"`
	Initiator         *ownerXML
	Owner             *ownerXML
	StorageClass      string
	Marker            int `xml:"PartNumberMarker"`
	Next              int `xml:"NextPartNumberMarker"`
	MaxParts          int
	IsTruncated       bool
	ChecksumAlgorithm string    `xml:",omitempty"`
	ChecksumType      string    `xml:",omitempty"`
	Parts             []partXML `xml:"Part"`
}

type partXML struct {
	PartNumber   int
	LastModified string
	ETag         string
	Size         int64
	checksumXML
}

type uploadsAnswer struct {
	XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
	Bucket       string
	KeyMarker    string
	IDMarker     string `xml:"UploadIdMarker"`
	NextKey      string `xml:"NextKeyMarker,omitempty"`
	NextID       string `xml:"NextUploadIdMarker,omitempty"`
	Prefix       string
	Delimiter    string `xml:",omitempty"`
	EncodingType string `xml:",omitempty"`
	MaxUploads   int
	IsTruncated  bool
	Uploads      []uploadXML `xml:"Upload"`
	Prefixes     []prefixXML `xml:"CommonPrefixes"`
}

type uploadXML struct {
	Key               string
	UploadID          string `xml:"UploadId"`
	Initiator         *ownerXML
	Owner             *ownerXML
	StorageClass      string
	Initiated         string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

type versionsAnswer struct {
	XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
	Name         string
	Prefix       string
	KeyMarker    string
	IDMarker     string `xml:"VersionIdMarker"`
	NextKey      string `xml:"NextKeyMarker,omitempty"`
	NextID       string `xml:"NextVersionIdMarker,omitempty"`
	MaxKeys      int
	Delimiter    string `xml:",omitempty"`
	EncodingType string `xml:",omitempty"`
	IsTruncated  bool
	// Versions and delete markers stand in one order.
	Entries  []versionXML
	Prefixes []prefixXML `xml:"CommonPrefixes"`
}

type versionXML struct {
	XMLName           xml.Name // Version or DeleteMarker
	Key               string
	VersionID         string `xml:"VersionId"`
	IsLatest          bool
	LastModified      string
	ETag              string `xml:",omitempty"`
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              *int64
	StorageClass      string `xml:",omitempty"`
	Owner             *ownerXML
}

type deleteXML struct {
	XMLName xml.Name          `xml:"Delete"`
	Quiet   bool              `xml:"Quiet"`
	Objects []deleteObjectXML `xml:"Object"`
}

type deleteObjectXML struct {
	Key       string
	VersionID string  `xml:"VersionId"`
	ETag      *string `xml:"ETag"`
	Modified  *string `xml:"LastModifiedTime"`
	Size      *string `xml:"Size"`
}

type deleteAnswer struct {
	XMLName xml.Name         `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
	Deleted []deletedXML     `xml:"Deleted"`
	Errors  []deleteErrorXML `xml:"Error"`
}

type deletedXML struct {
	Key            string
	VersionID      string `xml:"VersionId,omitempty"`
	DeleteMarker   bool   `xml:",omitempty"`
	DeleteMarkerID string `xml:"DeleteMarkerVersionId,omitempty"`
}

type deleteErrorXML struct {
	Key       string
	VersionID string `xml:"VersionId,omitempty"`
	Code      string
	Message   string
}

type taggingXML struct {
	XMLName   xml.Name `xml:"Tagging"`
	Namespace string   `xml:"xmlns,attr,omitempty"`
	Tags      []tagXML `xml:"TagSet>Tag"`
}

type tagXML struct {
	Key   string
	Value string
}
