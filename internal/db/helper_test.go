package db_test

import "runtime"

func goexit() { runtime.Goexit() }
