"""The local web page: a recording in, hands to look at and to take away out. Needs the extra `view`.

    from palmar.app.serve import serve
    serve()                                   # until interrupted; http://127.0.0.1:7860

`rooms`: who visits, and whose files are whose. `limits`: what is taken. `jobs`: whose turn it is. `work`: the job
itself. `scene`: hands in space, for the page's viewer. `gate`: what of HTTP is let through. `ui`: the page. `serve`:
all of it.
"""
