package s3

import (
	"math"

	"github.com/penstock-cd/penstock/internal/db"
)

// firstScan is how many versions selectKeys reads to see how many a key has.
const firstScan = 100

// selectKeys returns the current objects with from <= key < until, in key order.
// Where keys have a version or two it reads all versions; where they have many
// that would take long, and it goes from key to key.
func selectKeys(tx *db.Tx, bucket, from, until string, limit int) ([]Object, error) {
	var list []Object
	for size, many := min(firstScan, limit), false; ; size = limit {
		var batch []Object
		var err error
		if many {
			batch, err = selectTops(tx, bucket, from, until, size)
		} else {
			batch, err = selectVersions(tx, bucket, from, math.MaxInt64, until, size)
		}
		if err != nil {
			return nil, err
		}
		keys := 0
		for _, o := range batch {
			if !o.Latest {
				continue
			}
			if keys++; !o.DeleteMarker && len(list) < limit {
				list = append(list, o)
			}
		}
		if len(batch) < size || len(list) == limit {
			return list, nil
		}
		many = keys < len(batch)/4
		from = keyAfter(batch[len(batch)-1].Key)
	}
}

// selectTops returns the current versions of keys, delete markers included. It
// goes from key to key, however many versions one has: the left join has SQLite
// begin with the keys, and PostgreSQL needs to be told each key's top before.
func selectTops(tx *db.Tx, bucket, from, until string, limit int) ([]Object, error) {
	rows, err := tx.Query(`
		with recursive listed (listed_key, n) as (
			select (
				select object_key
				from s3_versions
				where bucket = $1 and object_key >= $2 and object_key < $3
				order by object_key
				limit 1), 1
			union all
			select (
				select object_key
				from s3_versions
				where bucket = $1 and object_key > listed_key and object_key < $3
				order by object_key
				limit 1), n + 1
			from listed
			where listed_key is not null and n < $4),
		tops (top_key, top) as (
			select listed_key, (
				select sequence
				from s3_versions
				where bucket = $1 and object_key = listed_key
				order by sequence desc
				limit 1)
			from listed
			where listed_key is not null)
		select `+versionColumns+`
		from tops
		left join s3_versions on bucket = $1 and object_key = top_key and sequence = top
		order by top_key`, bucket, from, until, limit)
	if err != nil {
		return nil, err
	}
	list, err := collect(rows, scanVersion)
	for i := range list {
		list[i].Latest = true
	}
	return list, err
}

// selectVersions returns the versions and delete markers of keys from a place
// on, in the order of keys, and the newest first: those of the key from have
// sequences under below, which is above all to begin with its newest.
func selectVersions(tx *db.Tx, bucket, from string, below int64, until string, limit int) ([]Object, error) {
	rows, err := tx.Query(`
		select `+versionColumns+`
		from s3_versions
		where bucket = $1 and object_key >= $2 and object_key < $4
			and (object_key > $2 or sequence < $3)
		order by object_key, sequence desc
		limit $5`, bucket, from, below, until, limit)
	if err != nil {
		return nil, err
	}
	list, err := collect(rows, scanVersion)
	above := "" // the key of the version above
	if below < math.MaxInt64 {
		above = from
	}
	for i := range list {
		list[i].Latest = list[i].Key != above
		above = list[i].Key
	}
	return list, err
}
