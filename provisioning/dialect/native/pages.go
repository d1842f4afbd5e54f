package native

import (
	"strconv"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
)

// listed returns a page of items that the core lists completely and sorted by a key. The
// cursor is the key of the last item of the previous page, so items that are added or
// removed between pages shift nothing.
func listed[In, Out any](r *request, all []In, to func(In) Out, key func(In) string) (any, error) {
	limit, err := r.limit()
	if err != nil {
		return nil, err
	}
	if after := r.query("cursor"); after != "" {
		for len(all) > 0 && key(all[0]) <= after {
			all = all[1:]
		}
	}
	page := api.Page[Out]{}
	if len(all) > limit {
		all = all[:limit]
		page.Next = key(all[limit-1])
	}
	page.Items = convert(all, to)
	return page, nil
}

// listedByPlace returns a page of items without keys. The cursor is the number of items
// in the previous pages.
func listedByPlace[In, Out any](r *request, all []In, to func(In) Out) (any, error) {
	limit, err := r.limit()
	if err != nil {
		return nil, err
	}
	from := 0
	if text := r.query("cursor"); text != "" {
		if from, err = strconv.Atoi(text); err != nil || from < 0 {
			return nil, provisioning.Errorf(provisioning.BadInput,
				"the cursor is not from a listing; leave it out to start over")
		}
	}
	all = all[min(from, len(all)):]
	page := api.Page[Out]{}
	if len(all) > limit {
		all = all[:limit]
		page.Next = strconv.Itoa(from + limit)
	}
	page.Items = convert(all, to)
	return page, nil
}

func convert[In, Out any](all []In, to func(In) Out) []Out {
	out := make([]Out, len(all))
	for i, item := range all {
		out[i] = to(item)
	}
	return out
}

// limit returns the maximal number of items in the page.
func (r *request) limit() (int, error) {
	text := r.query("limit")
	if text == "" {
		return api.DefaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > api.MaxPage {
		return 0, provisioning.Errorf(provisioning.BadInput, "the query parameter limit is a number from 1 to %d",
			api.MaxPage)
	}
	return n, nil
}
