package db

import "encoding/json"

// Rows is the result of [Tx.Query]:
//
//	rows, err := tx.Query(...)
//	if err != nil { ... }
//	defer rows.Close()
//	for rows.Next() {
//		if err := rows.Scan(&a, &b); err != nil { ... }
//	}
//	if err := rows.Err(); err != nil { ... }
type Rows struct {
	tx     *Tx
	cursor cursor // nil when closed
	err    error
}

// Next moves to the next row. At the end, or after an error, it closes the rows
// and returns false.
func (r *Rows) Next() bool {
	if r.cursor == nil {
		return false
	}
	if r.cursor.next() {
		return true
	}
	_ = r.Close() // Err tells
	return false
}

// Scan copies the columns of the row into the variables that dest points to.
func (r *Rows) Scan(dest ...any) error {
	if r.cursor == nil {
		return errTxOver
	}
	for i, d := range dest {
		if raw, ok := d.(*json.RawMessage); ok {
			dest[i] = (*[]byte)(raw)
		}
	}
	return r.cursor.scan(dest)
}

// Err returns the error that ended the rows, if one did.
func (r *Rows) Err() error { return r.err }

// Close ends the rows early. It may be called again.
func (r *Rows) Close() error {
	if r.cursor == nil {
		return r.err
	}
	err := r.cursor.close()
	r.cursor = nil
	r.tx.rows = nil
	r.err = r.tx.check(err)
	return r.err
}

// Row is the result of [Tx.QueryRow].
type Row struct {
	rows *Rows
	err  error
}

// Scan copies the columns of the first row. Without a row it returns
// [ErrNoRows].
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return ErrNoRows
	}
	err := r.rows.Scan(dest...)
	if closeErr := r.rows.Close(); err == nil {
		err = closeErr
	}
	return err
}
