package iam

import (
	"github.com/penstock-cd/penstock/internal/db"
)

func insertPrincipal(tx *db.Tx, p Principal) error {
	_, err := tx.Exec(`
		insert into principals (id, account, name, created_ms)
		values ($1, $2, $3, $4)`, p.ID, p.Account, p.Name, p.Created)
	return err
}

func countPrincipals(tx *db.Tx, account string) (int, error) {
	var n int
	err := tx.QueryRow(`select count(*) from principals where account = $1`, account).Scan(&n)
	return n, err
}

// selectPrincipal loads a principal without its policies. lock is the dialect's
// suffix, or empty.
func selectPrincipal(tx *db.Tx, account, name, lock string) (Principal, error) {
	p := Principal{Account: account, Name: name}
	err := tx.QueryRow(`
		select id, created_ms
		from principals
		where account = $1 and name = $2`+lock, account, name).Scan(&p.ID, &p.Created)
	return p, err
}

func selectPrincipals(tx *db.Tx, account, after string, limit int) ([]Principal, error) {
	rows, err := tx.Query(`
		select id, name, created_ms
		from principals
		where account = $1 and name > $2
		order by name
		limit $3`, account, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Principal
	for rows.Next() {
		p := Principal{Account: account}
		if err := rows.Scan(&p.ID, &p.Name, &p.Created); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// loadPolicies fills in the policies of a principal.
func loadPolicies(tx *db.Tx, p *Principal) error {
	rows, err := tx.Query(`
		select name, document
		from principal_policies
		where principal_id = $1
		order by name`, p.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	p.Policies = map[string]string{}
	for rows.Next() {
		var name, document string
		if err := rows.Scan(&name, &document); err != nil {
			return err
		}
		if document == "" {
			p.Managed = append(p.Managed, name)
		} else {
			p.Policies[name] = document
		}
	}
	return rows.Err()
}

func putPolicy(tx *db.Tx, principal, name, document string) error {
	_, err := tx.Exec(`
		insert into principal_policies (principal_id, name, document)
		values ($1, $2, $3)
		on conflict (principal_id, name) do update set document = excluded.document`, principal, name, document)
	return err
}

func countPolicies(tx *db.Tx, principal string) (int, error) {
	var n int
	err := tx.QueryRow(`select count(*) from principal_policies where principal_id = $1`, principal).Scan(&n)
	return n, err
}

func removePolicy(tx *db.Tx, principal, name string) (bool, error) {
	n, err := tx.Exec(`delete from principal_policies where principal_id = $1 and name = $2`, principal, name)
	return n > 0, err
}

func deletePrincipal(tx *db.Tx, id string) error {
	for _, statement := range []string{
		`delete from access_keys where principal_id = $1`,
		`delete from principal_policies where principal_id = $1`,
		`delete from principals where id = $1`,
	} {
		if _, err := tx.Exec(statement, id); err != nil {
			return err
		}
	}
	return nil
}

// keyRow is an access key with its sealed secret and its principal.
type keyRow struct {
	AccessKey
	sealed    string
	principal Principal
}

func insertKey(tx *db.Tx, principal string, k AccessKey, sealed string) error {
	_, err := tx.Exec(`
		insert into access_keys (id, principal_id, secret, enabled, created_ms)
		values ($1, $2, $3, 1, $4)`, k.ID, principal, sealed, k.Created)
	return err
}

func countKeys(tx *db.Tx, principal string) (int, error) {
	var n int
	err := tx.QueryRow(`select count(*) from access_keys where principal_id = $1`, principal).Scan(&n)
	return n, err
}

const keyColumns = `k.id, k.secret, k.enabled, k.created_ms, k.used_ms, k.used_service, p.id, p.account, p.name, p.created_ms`

func scanKey(scan func(...any) error) (keyRow, error) {
	var k keyRow
	var enabled int
	err := scan(&k.ID, &k.sealed, &enabled, &k.Created, &k.Used, &k.UsedService,
		&k.principal.ID, &k.principal.Account, &k.principal.Name, &k.principal.Created)
	k.Enabled = enabled == 1
	k.Principal = k.principal.Name
	return k, err
}

// selectKey loads a key, of any account if account is empty.
func selectKey(tx *db.Tx, account, id string) (keyRow, error) {
	return scanKey(tx.QueryRow(`
		select `+keyColumns+`
		from access_keys k join principals p on p.id = k.principal_id
		where k.id = $1 and ($2 = '' or p.account = $2)`, id, account).Scan)
}

// selectKeys lists the keys of an account, or of one of its principals, by id.
func selectKeys(tx *db.Tx, account, principal, after string, limit int) ([]keyRow, error) {
	rows, err := tx.Query(`
		select `+keyColumns+`
		from access_keys k join principals p on p.id = k.principal_id
		where p.account = $1 and ($2 = '' or p.name = $2) and k.id > $3
		order by k.id
		limit $4`, account, principal, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []keyRow
	for rows.Next() {
		k, err := scanKey(rows.Scan)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, rows.Err()
}

func enableKey(tx *db.Tx, id string, enabled bool) error {
	flag := 0
	if enabled {
		flag = 1
	}
	_, err := tx.Exec(`update access_keys set enabled = $2 where id = $1`, id, flag)
	return err
}

func deleteKey(tx *db.Tx, id string) error {
	_, err := tx.Exec(`delete from access_keys where id = $1`, id)
	return err
}

// useKey notes that a key was used; an older note changes nothing.
func useKey(tx *db.Tx, id string, at int64, service string) error {
	_, err := tx.Exec(`
		update access_keys set used_ms = $2, used_service = $3
		where id = $1 and used_ms < $2`, id, at, service)
	return err
}

// resealKey replaces a sealed secret, unless it was replaced meanwhile.
func resealKey(tx *db.Tx, id, old, sealed string) error {
	_, err := tx.Exec(`update access_keys set secret = $3 where id = $1 and secret = $2`, id, old, sealed)
	return err
}
