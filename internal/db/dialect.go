package db

import "strings"

// Dialect holds what differs between the two databases and cannot be hidden:
// suffixes for the few statements that claim or lock rows. Nothing else may
// branch on the database.
type Dialect struct {
	// Name is "sqlite" or "postgres".
	Name string

	// ClaimSuffix ends the inner select of a statement that claims rows, so that
	// two nodes take different ones: "" or " for update skip locked". SQLite has
	// one writer and needs none.
	ClaimSuffix string

	// LockSuffix ends a select that locks the rows it reads until the end of the
	// transaction: "" or " for update".
	LockSuffix string

	textKey string // what text_key in a migration stands for
}

func sqliteDialect() Dialect {
	return Dialect{Name: "sqlite", textKey: "text"}
}

func postgresDialect() Dialect {
	return Dialect{
		Name:        "postgres",
		ClaimSuffix: " for update skip locked",
		LockSuffix:  " for update",
		textKey:     `text collate "C"`,
	}
}

// migration returns the text of a migration for this database.
func (d Dialect) migration(text string) string {
	const token = "text_key"
	var b strings.Builder
	for {
		i := strings.Index(text, token)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		end := i + len(token)
		whole := (i == 0 || !isWordByte(text[i-1])) && (end == len(text) || !isWordByte(text[end]))
		b.WriteString(text[:i])
		if whole {
			b.WriteString(d.textKey)
		} else {
			b.WriteString(token)
		}
		text = text[end:]
	}
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
