package deploy

import (
	"path"
	"strings"
)

const octetStream = "application/octet-stream"

// contentType tells a content type by the extension of a key, in any case. The
// table is our own, so that every machine says the same: the recorded ones
// (observed.md 16) first, then what is common on the web.
func contentType(key string) string {
	switch strings.ToLower(strings.TrimPrefix(path.Ext(key), ".")) {
	case "html", "htm":
		return "text/html"
	case "css":
		return "text/css"
	case "js":
		return "application/x-javascript"
	case "json":
		return "application/json"
	case "xml", "xsl":
		return "application/xml"
	case "txt", "asc":
		return "text/plain"
	case "svg":
		return "image/svg+xml"
	case "png":
		return "image/png"
	case "jpg", "jpeg", "jpe":
		return "image/jpeg"
	case "gif":
		return "image/gif"
	case "ico":
		return "image/x-icon"
	case "bmp":
		return "image/bmp"
	case "tif", "tiff":
		return "image/tiff"
	case "webp":
		return "image/webp"
	case "csv":
		return "text/csv"
	case "rtf":
		return "text/rtf"
	case "pdf":
		return "application/pdf"
	case "zip":
		return "application/zip"
	case "xhtml", "xht":
		return "application/xhtml+xml"
	case "mp3":
		return "audio/mpeg"
	case "wav":
		return "audio/x-wav"
	case "mp4":
		return "video/mp4"
	case "mpeg", "mpg":
		return "video/mpeg"
	}
	return octetStream
}
